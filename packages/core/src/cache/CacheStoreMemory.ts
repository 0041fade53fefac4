/**
 * A store in this process: the least recently used entries go first when the bytes allowed are used up.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CacheStore } from "./CacheStore.ts"

/** What an entry takes beside its key and value, in bytes: the map's slot, the objects' headers. Measured on Node 24. */
const entryOverhead = 200

interface Held {
  readonly value: Uint8Array
  readonly expiresAt: number
  readonly bytes: number
}

/** `maxBytes` covers keys, values and their overhead. An entry larger than that is not kept. */
export const layerMemory = (options: { readonly maxBytes: number }): Layer.Layer<CacheStore> =>
  Layer.sync(CacheStore, () => {
    // A Map iterates in the order of insertion, and a hit inserts anew: the first is the least recently used.
    const held = new Map<string, Held>()
    let bytes = 0

    const remove = (key: string, entry: Held): void => {
      held.delete(key)
      bytes -= entry.bytes
    }

    const read = (key: string, now: number): Uint8Array | undefined => {
      const entry = held.get(key)
      if (entry === undefined) return undefined
      if (entry.expiresAt <= now) {
        remove(key, entry)
        return undefined
      }
      held.delete(key)
      held.set(key, entry)
      return entry.value
    }

    const write = (key: string, value: Uint8Array, expiresAt: number): void => {
      const previous = held.get(key)
      if (previous !== undefined) remove(key, previous)
      const entry = { value, expiresAt, bytes: key.length + value.byteLength + entryOverhead }
      if (entry.bytes > options.maxBytes) return
      held.set(key, entry)
      bytes += entry.bytes
      for (const [oldest, ofOldest] of held) {
        if (bytes <= options.maxBytes) return
        remove(oldest, ofOldest)
      }
    }

    return CacheStore.of({
      getMany: (keys) => Effect.map(Clock.currentTimeMillis, (now) => keys.map((key) => read(key, now))),
      setMany: (entries, timeToLive) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const expiresAt = now + Duration.toMillis(Duration.fromInputUnsafe(timeToLive))
          for (const { key, value } of entries) write(key, value, expiresAt)
        }),
      clear: (prefix) =>
        Effect.sync(() => {
          const before = held.size
          for (const [key, entry] of held) if (key.startsWith(prefix)) remove(key, entry)
          return before - held.size
        }),
      stats: Effect.sync(() => ({ entries: held.size, bytes }))
    })
  })
