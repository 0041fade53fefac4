/**
 * Where files live and what they are called.
 */
import { posix } from "node:path"
import type { Source } from "./Source.ts"

const topLevel = new Set([
  "packages",
  "plugins",
  "config",
  "deploy",
  "load",
  "docs",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "vitest.workspace.ts",
  "README.md",
  "LICENSE",
  "CHANGELOG.md",
  "CONTRIBUTING.md"
])

const saysNothing = /^(utils?|helpers?|commons?|misc)$/i
const isCode = /\.([cm]?[jt]sx?|py)$/
const concept = /^([A-Z][A-Za-z0-9]*|main|index)$/
const longFile = 400

const checkPath = (path: string): Array<string> => {
  const top = path.split("/")[0]!
  const problems: Array<string> = []
  if (!top.startsWith(".") && !topLevel.has(top)) problems.push(`${top} does not belong at the top level`)
  if (!isCode.test(path)) return problems
  const [stem, ...suffixes] = posix.basename(path).split(".")
  const empty = [...posix.dirname(path).split("/"), stem!].find((segment) => saysNothing.test(segment))
  if (empty !== undefined) problems.push(`${path}: "${empty}" says nothing of what is in it`)
  const isConfig = suffixes.includes("config") || path === "vitest.workspace.ts"
  if (path.endsWith(".ts") && !isConfig && !concept.test(stem!)) {
    problems.push(`${path}: name it in PascalCase after the concept it holds (or main.ts, index.ts)`)
  }
  return problems
}

export const checkPaths = (paths: ReadonlyArray<string>): Array<string> => [...new Set(paths.flatMap(checkPath))]

export const checkCasts = (sources: ReadonlyArray<Source>): Array<string> =>
  sources.flatMap(({ doubleCasts, path }) =>
    doubleCasts.map((line) => `${path}:${line} casts with \`as unknown as\`: decode, narrow, or type the source`)
  )

/** What is not wrong, but asks for a reason. */
export const longFiles = (files: ReadonlyMap<string, string>): Array<string> =>
  [...files].flatMap(([path, text]) => {
    const lines = text.split("\n").length - 1
    return lines > longFile ? [`${path} has ${lines} lines, more than ${longFile}`] : []
  })
