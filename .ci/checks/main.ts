/**
 * `npm run check:imports`: import directions, import cycles, structure. Looks at what git tracks or would track, in the current folder.
 */
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { checkRepository } from "./Repository.ts"

const paths = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
  encoding: "utf8"
})
  .split("\0")
  .filter((path) => path !== "" && existsSync(path))
const { problems, warnings } = checkRepository(paths, (path) => readFileSync(path, "utf8"))
for (const warning of warnings) console.warn(`warning: ${warning}`)
for (const problem of problems) console.error(problem)
console.log(`imports and structure: ${paths.length} files, ${problems.length} problems, ${warnings.length} warnings`)
process.exitCode = problems.length === 0 ? 0 : 1
