/**
 * The files of a new plugin, made from the templates in `assets/plugin`.
 */
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"
import { failed } from "../CommandFailed.ts"
import { pascalCase } from "./PluginName.ts"

const folder = new URL("../../assets/plugin/", import.meta.url)

/** Each template, and where its file goes. */
const templates = (name: string): Readonly<Record<string, string>> => ({
  "package.json.template": "package.json",
  "README.md.template": "README.md",
  "src/main.ts.template": "src/main.ts",
  "test/Plugin.test.ts.template": `test/${pascalCase(name)}.test.ts`,
  "example/price.linear.json.template": "example/price.linear.json"
})

export interface TemplateFile {
  /** Within the plugin's folder. */
  readonly path: string
  readonly text: string
}

/** `__NAME__` and its like, by their values; a placeholder without one is a mistake in the template. */
const fill = (text: string, values: Readonly<Record<string, string>>): string =>
  text.replaceAll(/__([A-Z_]+?)__/g, (placeholder, key: string) => values[key] ?? placeholder)

export const pluginFiles = (name: string, values: Readonly<Record<string, string>>) =>
  Effect.forEach(Object.entries(templates(name)), ([template, path]) =>
    Effect.map(
      Effect.tryPromise({
        try: () => readFile(new URL(template, folder), "utf8"),
        catch: (cause) => failed(`this installation lacks the template ${template}`, cause)
      }),
      (text): TemplateFile => ({ path, text: fill(text, { ...values, NAME: name, PASCAL_NAME: pascalCase(name) }) })
    ))
