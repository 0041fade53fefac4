/**
 * What every CacheStore does, whatever it keeps its entries in.
 */
import { assert, type it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { CACHE_ROOT } from "../../src/cache/CacheKey.ts"
import { CacheStore } from "../../src/cache/CacheStore.ts"

export interface StoreUnderTest {
  /** An empty store, each time it is built. */
  readonly layer: Layer.Layer<CacheStore>
  /** `it.effect` where time is virtual, `it.live` where it is the store's own. */
  readonly run: typeof it.effect
  readonly passTime: (duration: Duration.Duration) => Effect.Effect<void>
}

const bytes = (...values: ReadonlyArray<number>) => Uint8Array.from(values)
const plain = (values: ReadonlyArray<Uint8Array | undefined>) => values.map((value) => value && Array.from(value))
const long = Duration.minutes(10)
/** Of the tier that holds most. */
const totals = (store: CacheStore["Service"]) =>
  Effect.map(store.stats, (tiers) => ({ entries: tiers.at(-1)?.entries ?? 0, bytes: tiers.at(-1)?.bytes ?? 0 }))

export const cacheStoreConformance = ({ layer, passTime, run }: StoreUnderTest): void => {
  const key = (name: string) => `${CACHE_ROOT}${name}`
  const test = (name: string, body: Effect.Effect<void, unknown, CacheStore>) =>
    run(name, () => body.pipe(Effect.provide(layer)))

  test(
    "gives values in the order of the keys, and undefined for those it has not",
    Effect.gen(function*() {
      const store = yield* CacheStore
      yield* store.setMany([{ key: key("a"), value: bytes(1, 2) }, { key: key("b"), value: bytes(3) }], long)
      const found = yield* store.getMany([key("b"), key("none"), key("a"), key("b")])
      assert.deepStrictEqual(plain(found), [[3], undefined, [1, 2], [3]])
    })
  )

  test(
    "keeps any bytes as they are",
    Effect.gen(function*() {
      const store = yield* CacheStore
      const every = Uint8Array.from({ length: 256 }, (_, byte) => byte)
      // A view into a larger buffer: what lies around it must not be kept.
      const view = Uint8Array.from([9, 9, 0, 13, 10, 255, 9]).subarray(2, 6)
      yield* store.setMany([
        { key: key("every"), value: every },
        { key: key("view"), value: view },
        { key: key("none"), value: bytes() }
      ], long)
      const found = yield* store.getMany([key("every"), key("view"), key("none")])
      assert.deepStrictEqual(plain(found), [Array.from(every), [0, 13, 10, 255], []])
    })
  )

  test(
    "keeps the last value that a key was given, and its time",
    Effect.gen(function*() {
      const store = yield* CacheStore
      yield* store.setMany([{ key: key("a"), value: bytes(1) }], Duration.millis(50))
      yield* store.setMany([{ key: key("a"), value: bytes(2) }], long)
      yield* passTime(Duration.millis(60))
      assert.deepStrictEqual(plain(yield* store.getMany([key("a")])), [[2]])
    })
  )

  test(
    "lets go of a value when its time is over, and of no other",
    Effect.gen(function*() {
      const store = yield* CacheStore
      yield* store.setMany([{ key: key("short"), value: bytes(1) }], Duration.millis(50))
      yield* store.setMany([{ key: key("long"), value: bytes(2) }], long)
      yield* passTime(Duration.millis(60))
      assert.deepStrictEqual(plain(yield* store.getMany([key("short"), key("long")])), [undefined, [2]])
    })
  )

  test(
    "clears what starts with a prefix, and says how many that were",
    Effect.gen(function*() {
      const store = yield* CacheStore
      const names = ["m:v1:x", "m:v2:x", "m2:v1:x", "n:v1:x"]
      yield* store.setMany(names.map((name) => ({ key: key(name), value: bytes(1) })), long)
      assert.strictEqual(yield* store.clear(key("m:")), 2)
      assert.deepStrictEqual(plain(yield* store.getMany(names.map(key))), [undefined, undefined, [1], [1]])
      assert.strictEqual(yield* store.clear(key("m:")), 0)
      assert.strictEqual(yield* store.clear(CACHE_ROOT), 2)
    })
  )

  test(
    "takes no character of a prefix for a pattern",
    Effect.gen(function*() {
      const store = yield* CacheStore
      const names = ["a*b:1", "axb:1", "a?c:1", "ayc:1", "a[d]:1", "ad:1", "a\\e:1", "ae:1"]
      yield* store.setMany(names.map((name) => ({ key: key(name), value: bytes(1) })), long)
      for (const prefix of ["a*b:", "a?c:", "a[d]:", "a\\e:"]) assert.strictEqual(yield* store.clear(key(prefix)), 1)
      const left = yield* store.getMany(names.map(key))
      assert.deepStrictEqual(names.filter((_, index) => left[index] !== undefined), ["axb:1", "ayc:1", "ad:1", "ae:1"])
    })
  )

  test(
    "clears and counts many entries",
    Effect.gen(function*() {
      const store = yield* CacheStore
      const entries = Array.from(
        { length: 2_500 },
        (_, index) => ({ key: key(`m:v1:${index}`), value: bytes(index % 256) })
      )
      yield* store.setMany(entries, long)
      assert.strictEqual((yield* totals(store)).entries, 2_500)
      assert.strictEqual(yield* store.clear(key("m:")), 2_500)
      assert.deepStrictEqual(yield* totals(store), { entries: 0, bytes: 0 })
    })
  )

  test(
    "counts the bytes of what it holds",
    Effect.gen(function*() {
      const store = yield* CacheStore
      yield* store.setMany([{ key: key("a"), value: new Uint8Array(1_000) }], long)
      const small = yield* totals(store)
      assert.isAtLeast(small.bytes, 1_000)
      yield* store.setMany([{ key: key("b"), value: new Uint8Array(50_000) }], long)
      assert.isAtLeast((yield* totals(store)).bytes, small.bytes + 50_000)
    })
  )

  test(
    "takes nothing for an answer to nothing",
    Effect.gen(function*() {
      const store = yield* CacheStore
      yield* store.setMany([], long)
      assert.deepStrictEqual(yield* store.getMany([]), [])
    })
  )
}
