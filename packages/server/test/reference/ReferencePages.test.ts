import { assert, describe, it } from "@effect/vitest"
import { errorCatalogue } from "@sluice/domain/ErrorCatalogue"
import { renderErrorsMarkdown } from "@sluice/server/reference/ErrorsReference"
import { referencePages } from "@sluice/server/reference/ReferencePages"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

describe("docs/reference", () => {
  it.each(referencePages.map((page) => [fileURLToPath(page.file).replace(/.*docs\//, "docs/"), page] as const))(
    "%s is what the code says: `npm run docs` writes it",
    (_, { file, render }) => assert.strictEqual(readFileSync(file, "utf8"), render())
  )
})

describe("renderErrorsMarkdown", () => {
  it("has a section with the status of every error, which its table links to", () => {
    const page = renderErrorsMarkdown()
    for (const { code, status, title } of Object.values(errorCatalogue)) {
      assert.include(page, `| ${status} | [\`${code}\`](#${code}) |`)
      assert.include(page, `## \`${code}\`\n\n**${status} ${title}.**`)
    }
  })
})
