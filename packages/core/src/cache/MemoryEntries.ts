/**
 * Entries in this process's memory: the least recently used go first when the bytes allowed are used up. Plain and
 * synchronous, so that an answer can be found here without a fiber. Times are epoch milliseconds.
 */

/** What an entry takes beside its key and value, in bytes: the map's slot, the objects' headers. Measured on Node 24. */
const entryOverhead = 200

/** Linked from the one used last to the one used longest ago, so that a hit moves a few references and allocates nothing. */
interface Held {
  readonly key: string
  readonly value: Uint8Array
  readonly expiresAt: number
  readonly bytes: number
  newer: Held | undefined
  older: Held | undefined
}

export class MemoryEntries {
  readonly #maxBytes: number
  readonly #held = new Map<string, Held>()
  #newest: Held | undefined
  #oldest: Held | undefined
  #bytes = 0
  #evictions = 0

  /** `maxBytes` covers keys, values and their overhead. An entry larger than that is not kept. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get entries(): number {
    return this.#held.size
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Entries that went before their time, for want of room. */
  get evictions(): number {
    return this.#evictions
  }

  get(key: string, now: number): Uint8Array | undefined {
    const entry = this.#held.get(key)
    if (entry === undefined) return undefined
    if (entry.expiresAt <= now) {
      this.#remove(entry)
      return undefined
    }
    if (entry !== this.#newest) {
      this.#unlink(entry)
      this.#linkNewest(entry)
    }
    return entry.value
  }

  set(key: string, value: Uint8Array, expiresAt: number): void {
    const previous = this.#held.get(key)
    if (previous !== undefined) this.#remove(previous)
    const bytes = key.length + value.byteLength + entryOverhead
    if (bytes > this.#maxBytes) return
    const entry: Held = { key, value, expiresAt, bytes, newer: undefined, older: undefined }
    this.#held.set(key, entry)
    this.#linkNewest(entry)
    this.#bytes += bytes
    while (this.#bytes > this.#maxBytes && this.#oldest !== undefined) {
      this.#remove(this.#oldest)
      this.#evictions++
    }
  }

  remove(key: string): void {
    const entry = this.#held.get(key)
    if (entry !== undefined) this.#remove(entry)
  }

  /** Removes every entry whose key starts with the prefix, and gives how many. */
  clear(prefix: string): number {
    const before = this.#held.size
    for (const [key, entry] of this.#held) if (key.startsWith(prefix)) this.#remove(entry)
    return before - this.#held.size
  }

  #remove(entry: Held): void {
    this.#held.delete(entry.key)
    this.#unlink(entry)
    this.#bytes -= entry.bytes
  }

  #linkNewest(entry: Held): void {
    entry.newer = undefined
    entry.older = this.#newest
    if (this.#newest === undefined) this.#oldest = entry
    else this.#newest.newer = entry
    this.#newest = entry
  }

  #unlink(entry: Held): void {
    if (entry.newer === undefined) this.#newest = entry.older
    else entry.newer.older = entry.older
    if (entry.older === undefined) this.#oldest = entry.newer
    else entry.older.newer = entry.newer
  }
}
