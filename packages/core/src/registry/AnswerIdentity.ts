/**
 * What makes a version answer otherwise, the same on every machine that serves the registry. Pure.
 */
import type { VersionEntry } from "./RegistryEntry.ts"

/**
 * Two entries with the same one give the same answers. `digests` are those of its files where they are known, in the order
 * of `modelFiles`; their paths on this machine are no part of it.
 */
export const answerIdentity = (entry: VersionEntry, digests: ReadonlyArray<string> = []): string => {
  const { device, file, int8AboveWait, options, plugin, precision, precisionByDevice, variants } = entry
  return JSON.stringify([
    [device, int8AboveWait, plugin, precision, precisionByDevice, file.written],
    Array.from(variants, ([precision, { written }]) => [precision, written]),
    options,
    digests
  ])
}

/** The paths of all files that a version may be served from. */
export const modelFiles = ({ file, variants }: VersionEntry): ReadonlyArray<string> =>
  [file, ...variants.values()].map(({ absolute }) => absolute)
