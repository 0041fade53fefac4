/**
 * A store in this process, for as long as the process lives.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CacheStore } from "./CacheStore.ts"
import { MemoryEntries } from "./MemoryEntries.ts"

/** `maxBytes` covers keys, values and what each entry takes beside. An entry larger than that is not kept. */
export const layerMemory = (options: { readonly maxBytes: number }): Layer.Layer<CacheStore> =>
  Layer.sync(CacheStore, () => {
    const memory = new MemoryEntries(options.maxBytes)
    return CacheStore.of({
      held: (key, now) => memory.get(key, now),
      getMany: (keys) => Effect.map(Clock.currentTimeMillis, (now) => keys.map((key) => memory.get(key, now))),
      setMany: (entries, timeToLive) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const expiresAt = now + Duration.toMillis(Duration.fromInputUnsafe(timeToLive))
          for (const { key, value } of entries) memory.set(key, value, expiresAt)
        }),
      removeMany: (keys) => Effect.sync(() => keys.forEach((key) => memory.remove(key))),
      clear: (prefix) => Effect.sync(() => memory.clear(prefix)),
      stats: Effect.sync(() => [memoryTier(memory)]),
      claims: undefined
    })
  })

export const memoryTier = ({ bytes, entries, evictions }: MemoryEntries) => ({
  tier: "memory" as const,
  entries,
  bytes,
  evictions,
  errors: 0
})
