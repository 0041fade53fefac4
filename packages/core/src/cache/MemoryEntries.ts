/**
 * Entries in this process's memory: the least recently used go first when the bytes allowed are used up. Plain and
 * synchronous, so that an answer can be found here without a fiber. Times are epoch milliseconds.
 */

/** What an entry takes beside its key and value, in bytes: the map's slot, the objects' headers. Measured on Node 24. */
const entryOverhead = 200

interface Held {
  readonly value: Uint8Array
  readonly expiresAt: number
  readonly bytes: number
}

export class MemoryEntries {
  readonly #maxBytes: number
  // A Map iterates in the order of insertion, and a hit inserts anew: the first is the least recently used.
  readonly #held = new Map<string, Held>()
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
      this.#remove(key, entry)
      return undefined
    }
    this.#held.delete(key)
    this.#held.set(key, entry)
    return entry.value
  }

  set(key: string, value: Uint8Array, expiresAt: number): void {
    const previous = this.#held.get(key)
    if (previous !== undefined) this.#remove(key, previous)
    const entry = { value, expiresAt, bytes: key.length + value.byteLength + entryOverhead }
    if (entry.bytes > this.#maxBytes) return
    this.#held.set(key, entry)
    this.#bytes += entry.bytes
    for (const [oldest, ofOldest] of this.#held) {
      if (this.#bytes <= this.#maxBytes) return
      this.#remove(oldest, ofOldest)
      this.#evictions++
    }
  }

  /** Removes every entry whose key starts with the prefix, and gives how many. */
  clear(prefix: string): number {
    const before = this.#held.size
    for (const [key, entry] of this.#held) if (key.startsWith(prefix)) this.#remove(key, entry)
    return before - this.#held.size
  }

  #remove(key: string, entry: Held): void {
    this.#held.delete(key)
    this.#bytes -= entry.bytes
  }
}
