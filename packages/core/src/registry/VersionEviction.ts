/**
 * Which loaded versions are put away, so that those that stay keep to the limits: the least recently used idle ones. Pure.
 */

export interface LoadedVersion {
  readonly id: string
  /** What it holds, in bytes. */
  readonly bytes: number
  readonly lastUsedMs: number
  /** Nobody waits for an answer of it. */
  readonly idle: boolean
  /** The registry wants it in memory. */
  readonly pinned: boolean
}

export interface CacheLimits {
  /** Versions; Infinity for any number. */
  readonly versions: number
  /** Bytes; Infinity for any amount. */
  readonly bytes: number
}

/** What is about to be loaded. */
export interface Arrival {
  readonly bytes: number
}

const before = (a: LoadedVersion, b: LoadedVersion): number => a.lastUsedMs - b.lastUsedMs || (a.id < b.id ? -1 : 1)

/**
 * The ids to put away, the least recently used first. Versions in use and pinned ones stay, so the limits may be exceeded
 * until one of them is idle.
 */
export const chooseEvictions = (
  loaded: ReadonlyArray<LoadedVersion>,
  limits: CacheLimits,
  arrival?: Arrival
): ReadonlyArray<string> => {
  let versions = loaded.length + (arrival === undefined ? 0 : 1)
  let bytes = loaded.reduce((sum, version) => sum + version.bytes, arrival?.bytes ?? 0)
  const chosen: Array<string> = []
  for (const version of loaded.filter(({ idle, pinned }) => idle && !pinned).toSorted(before)) {
    if (versions <= limits.versions && bytes <= limits.bytes) break
    chosen.push(version.id)
    versions--
    bytes -= version.bytes
  }
  return chosen
}

/** Which of the versions, in this order, are loaded at the start: the pinned ones, and others while there is room. */
export const chooseFirst = (
  versions: ReadonlyArray<{ readonly id: string; readonly bytes: number; readonly pinned: boolean }>,
  limits: CacheLimits
): ReadonlySet<string> => {
  const chosen = new Set<string>()
  let bytes = 0
  for (const wanted of [versions.filter(({ pinned }) => pinned), versions.filter(({ pinned }) => !pinned)].flat()) {
    if (!wanted.pinned && (chosen.size >= limits.versions || bytes + wanted.bytes > limits.bytes)) continue
    chosen.add(wanted.id)
    bytes += wanted.bytes
  }
  return chosen
}
