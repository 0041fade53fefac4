import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { CACHE_ROOT } from "../../src/cache/CacheKey.ts"
import { CacheStore, CacheStoreError } from "../../src/cache/CacheStore.ts"
import { layerMemory } from "../../src/cache/CacheStoreMemory.ts"
import { layerTiered } from "../../src/cache/CacheStoreTiered.ts"
import { encodeItemOutput } from "../../src/cache/ItemOutputCodec.ts"
import { outputOf } from "./CachedModel.ts"

const room = { maxBytes: 10_000_000 }
const key = (name: string) => `${CACHE_ROOT}m:v1:${name}`
const entryOf = (name: string, freshMs: number, keptMs = freshMs) => ({
  key: key(name),
  value: encodeItemOutput(key(name), outputOf(name), { storedAt: 0, freshUntil: freshMs, keptUntil: keptMs })
})

/** A store that two tiered ones share, as two processes do; it answers nothing while it is `away` and takes nothing while it is `full`. */
const processes = Effect.gen(function*() {
  const shared = Context.get(yield* Layer.build(layerMemory(room)), CacheStore)
  const state = { away: false, full: false, lookups: 0 }
  const reachable = <A>(effect: Effect.Effect<A, CacheStoreError>) =>
    Effect.suspend(() =>
      state.away ? Effect.fail(new CacheStoreError({ operation: "getMany", reason: "failed" })) : effect
    )
  const remote: CacheStore["Service"] = {
    held: () => undefined,
    getMany: (keys) => {
      if (keys.length > 1) state.lookups++
      return reachable(shared.getMany(keys))
    },
    setMany: (entries, timeToLive) =>
      Effect.suspend(() =>
        state.full
          ? Effect.fail(new CacheStoreError({ operation: "setMany", reason: "refused" }))
          : reachable(shared.setMany(entries, timeToLive))
      ),
    removeMany: (keys) => reachable(shared.removeMany(keys)),
    clear: (prefix) => reachable(shared.clear(prefix)),
    stats: reachable(shared.stats),
    claims: undefined
  }
  const process = Effect.map(
    Layer.build(Layer.fresh(layerTiered(room)).pipe(Layer.provide(Layer.succeed(CacheStore, remote)))),
    (context) => Context.get(context, CacheStore)
  )
  return { state, shared, one: yield* process, two: yield* process }
})

const has = (store: CacheStore["Service"], name: string) =>
  Effect.map(Effect.orDie(store.getMany([key(name)])), ([value]) => value !== undefined)

describe("CacheStoreTiered", () => {
  it.effect("holds what the shared store had, for what is left of its time", () =>
    Effect.gen(function*() {
      const { one, state, two } = yield* processes
      yield* one.setMany([entryOf("a", 10_000)], "10 seconds")
      yield* TestClock.adjust("4 seconds")
      assert.isTrue(yield* has(two, "a"))
      assert.isDefined(two.held(key("a"), 9_999))
      assert.isTrue(yield* has(two, "a"))
      assert.strictEqual(state.lookups, 1)
      assert.isUndefined(two.held(key("a"), 10_000))
    }))

  it.effect("holds nothing in memory that does not say until when", () =>
    Effect.gen(function*() {
      const { shared, two } = yield* processes
      yield* shared.setMany([{ key: key("foreign"), value: Uint8Array.of(1, 2, 3) }], "1 hour")
      assert.isTrue(yield* has(two, "foreign"))
      assert.isUndefined(two.held(key("foreign"), 0))
    }))

  it.effect("looks for a newer answer in the shared store when its own is past its time", () =>
    Effect.gen(function*() {
      const { one, two } = yield* processes
      yield* two.setMany([entryOf("a", 1_000, 60_000)], "1 minute")
      yield* TestClock.adjust("2 seconds")
      const newer = entryOf("a", 30_000, 60_000)
      yield* one.setMany([newer], "58 seconds")
      assert.deepStrictEqual((yield* two.getMany([key("a")]))[0], newer.value)
    }))

  it.effect("goes on from memory while the shared store is away, old answers too", () =>
    Effect.gen(function*() {
      const { one, state } = yield* processes
      yield* one.setMany([entryOf("a", 60_000), entryOf("old", 1_000, 60_000)], "1 minute")
      state.away = true
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(yield* has(one, "a"))
      assert.isTrue(yield* has(one, "old"))
      assert.isFalse(yield* has(one, "b"))
      // What is computed meanwhile is kept here, though the shared store refused it.
      yield* Effect.flip(one.setMany([entryOf("b", 60_000)], "1 minute"))
      assert.isTrue(yield* has(one, "b"))
      assert.deepStrictEqual((yield* one.stats).map(({ tier }) => tier), ["memory"])
    }))

  it.effect("clears the memory of every process, within a second of those that ask for nothing new", () =>
    Effect.gen(function*() {
      const { one, two } = yield* processes
      yield* one.setMany([entryOf("a", 60_000), entryOf("b", 60_000)], "1 minute")
      assert.isTrue(yield* has(two, "a"))
      assert.strictEqual(yield* one.clear(`${CACHE_ROOT}m:`), 2)
      assert.isFalse(yield* has(one, "a"))
      assert.isDefined(two.held(key("a"), 1))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(two.held(key("a"), 1))
      // Those that look for anything else hear of it at once.
      yield* one.setMany([entryOf("a", 60_000)], "1 minute")
      assert.isTrue(yield* has(two, "a"))
      yield* one.clear(CACHE_ROOT)
      yield* has(two, "other")
      assert.isUndefined(two.held(key("a"), 1))
    }))

  it.effect("hears of a clearing that it missed while the shared store was away", () =>
    Effect.gen(function*() {
      const { one, shared, state, two } = yield* processes
      yield* two.setMany([entryOf("a", 600_000)], "10 minutes")
      yield* one.clear(CACHE_ROOT)
      state.away = true
      yield* TestClock.adjust("1 minute")
      yield* Effect.ignore(two.setMany([entryOf("a", 600_000)], "9 minutes"))
      state.away = false
      // Replaced by an empty one: the epoch is gone with the rest.
      yield* shared.clear("")
      yield* TestClock.adjust("1 second")
      assert.isUndefined(two.held(key("a"), 61_000))
    }))

  it.effect("clears nothing of what others keep in the same store", () =>
    Effect.gen(function*() {
      const { one, shared } = yield* processes
      yield* shared.setMany([{ key: "sluice:1:limit:x", value: Uint8Array.of(1) }], Duration.hours(1))
      yield* one.clear(CACHE_ROOT)
      assert.isDefined((yield* shared.getMany(["sluice:1:limit:x"]))[0])
    }))

  it.effect("clears the memory of every process while the shared store takes nothing more, each time", () =>
    Effect.gen(function*() {
      const { one, state, two } = yield* processes
      yield* TestClock.adjust("2 seconds")
      yield* one.setMany([entryOf("a", 60_000)], "1 minute")
      assert.isTrue(yield* has(two, "a"))
      state.full = true
      assert.strictEqual(yield* one.clear(CACHE_ROOT), 1)
      yield* TestClock.adjust("1 second")
      assert.isUndefined(two.held(key("a"), 3_000))
      // Without an epoch a second clearing shows as little as the first.
      yield* Effect.ignore(two.setMany([entryOf("a", 60_000)], "1 minute"))
      yield* one.clear(CACHE_ROOT)
      yield* TestClock.adjust("1 second")
      assert.isUndefined(two.held(key("a"), 4_000))
      state.full = false
      yield* TestClock.adjust("2 seconds")
      yield* two.setMany([entryOf("a", 60_000)], "1 minute")
      yield* TestClock.adjust("5 seconds")
      assert.isDefined(two.held(key("a"), 11_000))
    }))

  it.effect("tells that a clearing was not done, and forgets its own all the same", () =>
    Effect.gen(function*() {
      const { one, state } = yield* processes
      yield* one.setMany([entryOf("a", 60_000)], "1 minute")
      state.away = true
      assert.instanceOf(yield* Effect.flip(one.clear(CACHE_ROOT)), CacheStoreError)
      assert.isUndefined(one.held(key("a"), 1))
    }))
})
