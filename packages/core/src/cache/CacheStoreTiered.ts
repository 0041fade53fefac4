/**
 * Two tiers: this process's memory in front of a store that several processes share. What is found in the shared store is
 * held in memory for what is left of its time; while the shared store does not answer, memory goes on alone.
 *
 * A clearing reaches the memory of all processes by an epoch: a key that changes with each, read along with every lookup
 * and once a second besides. So a process that reaches the shared store answers from its own memory for no more than about
 * a second after a clearing; one that does not, until it reaches it again. While there is no epoch, as in a store that was
 * cleared and is too full to take a new one, nothing is believed for longer than from one look to the next.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomUUID } from "node:crypto"
import { EPOCH_KEY } from "./CacheKey.ts"
import { type CacheClaims, CacheStore, type Standing } from "./CacheStore.ts"
import { memoryTier } from "./CacheStoreMemory.ts"
import { entryTimes } from "./ItemOutputCodec.ts"
import { MemoryEntries } from "./MemoryEntries.ts"

/** How long memory is believed without a look at the epoch. */
const epochInterval = Duration.seconds(1)
/** Longer than any entry is kept: an epoch that ran out only empties memory. */
const epochLife = Duration.days(400)

const isFresh = (value: Uint8Array | undefined, now: number): boolean =>
  value !== undefined && (entryTimes(value)?.freshUntil ?? Infinity) > now

const make = Effect.fnUntraced(function*(maxBytes: number) {
  const shared = yield* CacheStore
  const memory = new MemoryEntries(maxBytes)
  let seenEpoch: string | undefined

  /** Empties the memory when the epoch is not the one that was seen, or is none: then it may have been another in between. */
  const noteEpoch = (value: Uint8Array | undefined): void => {
    const epoch = value && Buffer.from(value).toString()
    if (epoch === undefined || epoch !== seenEpoch) memory.clear("")
    seenEpoch = epoch
  }

  /** Counts as seen when it is looked at, here too: it may have taken the place of one that another process set. */
  const writeEpoch = Effect.suspend(() =>
    shared.setMany([{ key: EPOCH_KEY, value: Buffer.from(randomUUID()) }], epochLife)
  )

  /** Holds what came from the shared store, unless it says of itself that its time is over, or nothing. */
  const fill = (key: string, value: Uint8Array, now: number): void => {
    const until = entryTimes(value)?.keptUntil ?? 0
    if (until > now) memory.set(key, value, until)
  }

  const lookUpShared = Effect.fnUntraced(function*(keys: ReadonlyArray<string>) {
    const [epoch, ...values] = yield* shared.getMany([EPOCH_KEY, ...keys])
    const now = yield* Clock.currentTimeMillis
    noteEpoch(epoch)
    values.forEach((value, index) => value && fill(keys[index] ?? "", value, now))
    return values
  })

  const fillAll = (keys: ReadonlyArray<string>, standings: ReadonlyArray<Standing>, now: number): void =>
    standings.forEach(({ value }, index) => value && fill(keys[index] ?? "", value, now))

  const { claims: sharedClaims } = shared
  const claims: CacheClaims | undefined = sharedClaims && {
    ...sharedClaims,
    claim: Effect.fnUntraced(function*(keys, token, holdMs) {
      const claimed = yield* sharedClaims.claim(keys, token, holdMs)
      const now = yield* Clock.currentTimeMillis
      fillAll(keys, claimed, now)
      return claimed
    }),
    look: Effect.fnUntraced(function*(keys) {
      const standings = yield* sharedClaims.look(keys)
      const now = yield* Clock.currentTimeMillis
      fillAll(keys, standings, now)
      return standings
    })
  }

  // A look at the epoch is also what finds out that the shared store is back. The guard tells of its failures. An epoch
  // that is always there tells a store that was emptied from one in which nothing was ever cleared.
  const look = Effect.andThen(
    lookUpShared([]),
    Effect.suspend(() => seenEpoch === undefined ? writeEpoch : Effect.void)
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(epochInterval), Effect.ignore(look))))

  return CacheStore.of({
    held: (key, now) => memory.get(key, now),
    getMany: (keys) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const found = keys.map((key) => memory.get(key, now))
        // For what is past its time here, another process may have stored an answer since.
        const places = Array.from(keys.keys()).filter((place) => !isFresh(found[place], now))
        if (places.length === 0) return Effect.succeed(found)
        return Effect.match(lookUpShared(places.map((place) => keys[place] ?? "")), {
          onSuccess: (values) => {
            places.forEach((place, index) => {
              found[place] = values[index] ?? found[place]
            })
            return found
          },
          onFailure: () => found
        })
      }),
    setMany: (entries, timeToLive) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const expiresAt = now + Duration.toMillis(Duration.fromInputUnsafe(timeToLive))
        for (const { key, value } of entries) memory.set(key, value, expiresAt)
        return shared.setMany(entries, timeToLive)
      }),
    removeMany: (keys) =>
      Effect.andThen(Effect.sync(() => keys.forEach((key) => memory.remove(key))), shared.removeMany(keys)),
    clear: Effect.fnUntraced(function*(prefix) {
      memory.clear(prefix)
      const removed = yield* shared.clear(prefix)
      // Only now: a process that hears of it earlier would fill its memory with what is about to go.
      yield* shared.removeMany([EPOCH_KEY])
      // Where it is refused, as by a store that is full, whoever looks finds none and believes its memory no longer.
      yield* Effect.ignore(writeEpoch)
      memory.clear(prefix)
      return removed
    }),
    // Without the shared tier where that does not answer.
    stats: Effect.match(shared.stats, {
      onSuccess: (tiers) => [memoryTier(memory), ...tiers],
      onFailure: () => [memoryTier(memory)]
    }),
    claims
  })
})

/** `maxBytes`: what this process's memory may take. */
export const layerTiered = (options: { readonly maxBytes: number }): Layer.Layer<CacheStore, never, CacheStore> =>
  Layer.effect(CacheStore, make(options.maxBytes))
