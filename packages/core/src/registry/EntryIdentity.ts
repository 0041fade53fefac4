/**
 * What makes a registry entry another one: any field but its line in the file, or any of its model files.
 */
import * as Fs from "node:fs"
import type { VersionEntry } from "./RegistryEntry.ts"

const fileIdentity = (path: string): string => {
  const stats = Fs.statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? "missing" : `${stats.mtimeMs} ${stats.size}`
}

/** What is said of a version, and changes nothing of how it is served. */
const saidOnly = { source: undefined, description: undefined, status: undefined }

/** Two entries with the same one are served by the same instances. */
export const entryIdentity = ({ variants, ...entry }: VersionEntry): string =>
  JSON.stringify([
    { ...entry, ...saidOnly },
    [...variants],
    [entry.file, ...variants.values()].map(({ absolute }) => fileIdentity(absolute))
  ])
