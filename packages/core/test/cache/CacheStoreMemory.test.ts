import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { CacheStore } from "../../src/cache/CacheStore.ts"
import { layerMemory } from "../../src/cache/CacheStoreMemory.ts"
import { cacheStoreConformance } from "./CacheStoreConformance.ts"

describe("CacheStoreMemory", () => {
  cacheStoreConformance({
    layer: layerMemory({ maxBytes: 10_000_000 }),
    run: it.effect,
    passTime: TestClock.adjust
  })

  const entry = (key: string, size = 1_000) => ({ key, value: new Uint8Array(size) })
  const held = Effect.fnUntraced(function*(keys: ReadonlyArray<string>) {
    const store = yield* CacheStore
    const found = yield* store.getMany(keys)
    return keys.filter((_, index) => found[index] !== undefined)
  })

  const totals = (store: CacheStore["Service"]) =>
    Effect.map(store.stats, ([memory]) => ({ entries: memory?.entries ?? 0, bytes: memory?.bytes ?? 0 }))

  it.effect("never holds more than it may", () =>
    Effect.gen(function*() {
      const store = yield* CacheStore
      for (let index = 0; index < 100; index++) {
        yield* store.setMany([entry(`k${index}`, index * 37)], "1 hour")
        assert.isAtMost((yield* totals(store)).bytes, 10_000)
      }
      assert.isAbove((yield* totals(store)).entries, 1)
    }).pipe(Effect.provide(layerMemory({ maxBytes: 10_000 }))))

  it.effect("lets go of what was used longest ago, where a lookup is a use", () =>
    Effect.gen(function*() {
      const store = yield* CacheStore
      yield* store.setMany([entry("a"), entry("b"), entry("c")], "1 hour")
      yield* store.getMany(["a"])
      yield* store.setMany([entry("d")], "1 hour")
      assert.deepStrictEqual(yield* held(["a", "b", "c", "d"]), ["a", "c", "d"])
    }).pipe(Effect.provide(layerMemory({ maxBytes: 4_000 }))))

  it.effect("gives the bytes of a replaced or outlived entry back", () =>
    Effect.gen(function*() {
      const store = yield* CacheStore
      yield* store.setMany([entry("a", 100)], "1 hour")
      const small = yield* totals(store)
      yield* store.setMany([entry("a", 2_000)], "1 minute")
      yield* store.setMany([entry("a", 100)], "1 minute")
      assert.deepStrictEqual(yield* totals(store), small)
      yield* TestClock.adjust("2 minutes")
      yield* store.getMany(["a"])
      assert.deepStrictEqual(yield* totals(store), { entries: 0, bytes: 0 })
    }).pipe(Effect.provide(layerMemory({ maxBytes: 4_000 }))))

  it.effect("does not give up everything for one entry that cannot fit", () =>
    Effect.gen(function*() {
      const store = yield* CacheStore
      yield* store.setMany([entry("a"), entry("huge", 5_000), entry("b")], "1 hour")
      assert.deepStrictEqual(yield* held(["a", "huge", "b"]), ["a", "b"])
    }).pipe(Effect.provide(layerMemory({ maxBytes: 4_000 }))))
})
