/**
 * Which room of the house may import which: the table of the architecture as data, and the check of every import against it.
 */
import { isBuiltin } from "node:module"
import { posix } from "node:path"
import type { Import, Source } from "./Source.ts"

export interface Package {
  /** `packages/core`, `plugins/text`. */
  readonly folder: string
  readonly name: string
  /** The names in `dependencies`, `peerDependencies` and `optionalDependencies`. */
  readonly dependencies: ReadonlySet<string>
  readonly exports: Readonly<Record<string, string>>
}

interface Room {
  readonly mayImport: ReadonlyArray<string>
  /** Of our own packages, types only. */
  readonly typesOnly?: true
  /** The only packages from elsewhere; any that package.json declares where this is left out. */
  readonly external?: ReadonlyArray<string>
}

/** Domain's types flow through every room. */
const rooms: Readonly<Record<string, Room>> = {
  "packages/domain": { mayImport: [], external: ["effect"] },
  "packages/plugin-sdk": { mayImport: ["@sluice/domain"] },
  "packages/core": { mayImport: ["@sluice/domain", "@sluice/plugin-sdk"] },
  "packages/api": { mayImport: ["@sluice/domain"] },
  "packages/server": { mayImport: ["@sluice/domain", "@sluice/plugin-sdk", "@sluice/core", "@sluice/api"] },
  "packages/client": { mayImport: ["@sluice/domain", "@sluice/api"] },
  "packages/cli": { mayImport: ["@sluice/domain", "@sluice/core", "@sluice/client", "@sluice/server"] },
  "packages/console": { mayImport: ["@sluice/domain", "@sluice/api"], typesOnly: true }
}
const pluginRoom: Room = { mayImport: ["@sluice/domain", "@sluice/plugin-sdk"] }

/** The part of the tree that a file's relative imports stay in: its package, or its folder at the top level. */
export const homeOf = (path: string): string => {
  const segments = path.split("/")
  const depth = segments[0] === "packages" || segments[0] === "plugins" ? 2 : 1
  return segments.length > depth ? segments.slice(0, depth).join("/") : ""
}

export const isTest = (path: string): boolean => /(^|\/)test\//.test(path) || /\.test\.[cm]?[jt]s$/.test(path)

const packageOf = (specifier: string): string =>
  specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/")

const refusal = (from: Package, room: Room, { kind, specifier }: Import, own: ReadonlyMap<string, Package>) => {
  const name = packageOf(specifier)
  const target = own.get(name)
  if (name === from.name) return "a package imports its own files by relative path"
  if (target === undefined) {
    if (name.startsWith("@sluice/")) return `there is no package ${name}`
    if (room.external !== undefined && !room.external.includes(name)) {
      return `${from.folder} imports only ${room.external.join(", ")}`
    }
  } else if (room === pluginRoom && target.folder.startsWith("plugins/")) {
    if (target.exports[`.${specifier.slice(name.length)}`] === undefined) {
      return `a plugin imports only what another's package.json names, one by one, in its exports`
    }
  } else if (!room.mayImport.includes(name)) {
    return `${from.folder} may import ${room.mayImport.join(", ") || "no package of ours"}`
  } else if (room.typesOnly && kind !== "type") {
    return `${from.folder} may import types only`
  }
  return from.dependencies.has(name) ? undefined : `${name} is not in the dependencies of ${from.folder}/package.json`
}

/** One line for each import that points the wrong way. Tests may import what they like. */
export const checkDirections = (sources: ReadonlyArray<Source>, packages: ReadonlyArray<Package>): Array<string> => {
  const own = new Map(packages.map((each) => [each.name, each]))
  const byFolder = new Map(packages.map((each) => [each.folder, each]))
  return sources.filter(({ path }) => !isTest(path)).flatMap((source) => {
    const home = homeOf(source.path)
    const from = byFolder.get(home)
    const room = rooms[home] ?? (home.startsWith("plugins/") ? pluginRoom : undefined)
    return source.imports.flatMap((each) => {
      const problem = each.specifier.startsWith(".")
        ? homeOf(posix.join(posix.dirname(source.path), each.specifier)) === home
          ? undefined
          : `a relative import may not leave ${home || "the top level"}`
        : isBuiltin(each.specifier)
        ? room?.external && `${home} imports only ${room.external.join(", ")}`
        : from && room && refusal(from, room, each, own)
      return problem === undefined ? [] : [`${source.path}:${each.line} imports "${each.specifier}": ${problem}`]
    })
  })
}

/** `packages/console` and the like: a package that the table does not know has no arrows, so it must be added there. */
export const checkRooms = (packages: ReadonlyArray<Package>): Array<string> =>
  packages
    .filter(({ folder }) => folder.startsWith("packages/") && rooms[folder] === undefined)
    .map(({ folder }) => `${folder} has no row in the table of rooms (.ci/checks/Rooms.ts)`)
