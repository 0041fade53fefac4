/**
 * All checks of imports and structure over one tree, given as its paths and the text of its sources.
 */
import { posix } from "node:path"
import { checkCycles } from "./Cycles.ts"
import { checkDirections, checkRooms, type Package } from "./Rooms.ts"
import { readSource } from "./Source.ts"
import { checkCasts, checkPaths, longFiles } from "./Structure.ts"

export interface Findings {
  readonly problems: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
}

/** What others wrote and we ship as it is, and what tests read as data. */
const isData = /(^|\/)(assets|fixtures)\//
const isSource = (path: string): boolean => /\.[cm]?[jt]s$/.test(path) && !isData.test(path)
const isManifest = (path: string): boolean => /^(packages|plugins)\/[^/]+\/package\.json$/.test(path)

interface Manifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, string>>
}

const readPackage = (path: string, text: string): Package => {
  const manifest: Manifest = JSON.parse(text)
  return {
    folder: posix.dirname(path),
    name: manifest.name,
    dependencies: new Set(
      [manifest.dependencies, manifest.peerDependencies, manifest.optionalDependencies]
        .flatMap((each) => Object.keys(each ?? {}))
    ),
    exports: manifest.exports ?? {}
  }
}

export const checkRepository = (paths: ReadonlyArray<string>, read: (path: string) => string): Findings => {
  const packages = paths.filter(isManifest).map((path) => readPackage(path, read(path)))
  const files = new Map(paths.filter(isSource).map((path) => [path, read(path)]))
  const sources = [...files].map(([path, text]) => readSource(path, text))
  return {
    problems: [
      ...sources.flatMap(({ path, syntaxErrors }) => syntaxErrors.map((message) => `${path}: ${message}`)),
      ...checkPaths(paths),
      ...checkRooms(packages),
      ...checkDirections(sources, packages),
      ...checkCycles(sources, packages),
      ...checkCasts(sources)
    ],
    warnings: longFiles(files)
  }
}
