/**
 * The pages of the documentation that are made from code.
 */
import { renderSettingsMarkdown } from "../config/SettingsReference.ts"
import { renderErrorsMarkdown } from "./ErrorsReference.ts"

export interface ReferencePage {
  readonly file: URL
  readonly render: () => string
}

const reference = new URL("../../../../docs/reference/", import.meta.url)

export const referencePages: ReadonlyArray<ReferencePage> = [
  { file: new URL("settings.md", reference), render: renderSettingsMarkdown },
  { file: new URL("errors.md", reference), render: renderErrorsMarkdown }
]
