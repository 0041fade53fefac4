/**
 * Writes the pages that are made from code: `npm run docs`.
 */
import { mkdirSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { referencePages } from "./ReferencePages.ts"

for (const { file, render } of referencePages) {
  mkdirSync(new URL(".", file), { recursive: true })
  writeFileSync(file, render())
  process.stdout.write(`${fileURLToPath(file)}\n`)
}
