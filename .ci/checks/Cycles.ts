/**
 * Import cycles between files. A cycle of type imports alone vanishes when types are stripped, and passes; one with a value import fails.
 */
import { posix } from "node:path"
import type { Package } from "./Rooms.ts"
import type { Source } from "./Source.ts"

type Graph = ReadonlyMap<string, ReadonlyMap<string, "value" | "type">>

const resolveExport = (specifier: string, packages: ReadonlyArray<Package>): string | undefined => {
  const target = packages.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`))
  if (target === undefined) return undefined
  const subpath = `.${specifier.slice(target.name.length)}`
  for (const [pattern, file] of Object.entries(target.exports)) {
    const [before, after] = pattern.split("*")
    if (pattern === subpath) return posix.join(target.folder, file)
    if (after !== undefined && before !== undefined && subpath.startsWith(before) && subpath.endsWith(after)) {
      return posix.join(target.folder, file.replace("*", subpath.slice(before.length, subpath.length - after.length)))
    }
  }
  return undefined
}

const graphOf = (sources: ReadonlyArray<Source>, packages: ReadonlyArray<Package>): Graph => {
  const known = new Set(sources.map(({ path }) => path))
  return new Map(sources.map(({ imports, path }) => {
    const edges = new Map<string, "value" | "type">()
    for (const { kind, specifier } of imports) {
      const target = specifier.startsWith(".")
        ? posix.join(posix.dirname(path), specifier)
        : resolveExport(specifier, packages)
      if (kind === "url" || target === undefined || !known.has(target)) continue
      if (edges.get(target) !== "value") edges.set(target, kind)
    }
    return [path, edges]
  }))
}

/** The shortest way along imports of any kind. */
const way = (graph: Graph, from: string, to: string): ReadonlyArray<string> | undefined => {
  const cameFrom = new Map<string, string>([[from, from]])
  for (const here of cameFrom.keys()) {
    if (here === to) {
      const path = [to]
      while (path[0] !== from) path.unshift(cameFrom.get(path[0]!)!)
      return path
    }
    for (const next of graph.get(here)?.keys() ?? []) if (!cameFrom.has(next)) cameFrom.set(next, here)
  }
  return undefined
}

/** One line for each cycle that a value import closes; a cycle is told once, from its first file in the order of names. */
export const checkCycles = (sources: ReadonlyArray<Source>, packages: ReadonlyArray<Package>): Array<string> => {
  const graph = graphOf(sources, packages)
  const cycles = new Map<string, string>()
  for (const [from, edges] of graph) {
    for (const [to, kind] of edges) {
      const back = kind === "value" ? way(graph, to, from) : undefined
      if (back === undefined) continue
      const first = back.indexOf(back.toSorted()[0]!)
      const ring = [...back.slice(first), ...back.slice(0, first)]
      cycles.set(ring.join("\n"), `import cycle: ${[...ring, ring[0]].join(" -> ")}`)
    }
  }
  return [...cycles.values()]
}
