/**
 * The page `docs/reference/errors.md`, from the catalogue of errors. Pure.
 */
import { type CatalogueEntry, errorCatalogue } from "@sluice/domain/ErrorCatalogue"

const section = (entry: CatalogueEntry): string =>
  `## \`${entry.code}\`

**${entry.status} ${entry.title}.** ${entry.meaning}

What to do: ${entry.remedy}
`

/** Every error by status, then in the catalogue's order. */
export const renderErrorsMarkdown = (): string => {
  const entries = Object.values(errorCatalogue).toSorted((a, b) => a.status - b.status)
  return `# Errors

<!-- Made from packages/domain/src/ErrorCatalogue.ts by \`npm run docs\`: change it there. -->

Every error has a code that stays the same from version to version: programs should decide by it. The platform's own routes
answer with \`application/problem+json\` (RFC 9457), whose \`code\`, \`status\` and \`title\` are below and whose \`detail\` says
what is wrong in this case; \`/v2\` and \`/v1\` answer in the shape of their standards, with the same status. Errors over RPC
are the classes of \`@sluice/domain/Errors\`. A 503 carries \`Retry-After\`.

| Status | Code | Title |
| --- | --- | --- |
${entries.map((entry) => `| ${entry.status} | [\`${entry.code}\`](#${entry.code}) | ${entry.title} |`).join("\n")}

${entries.map(section).join("\n")}`
}
