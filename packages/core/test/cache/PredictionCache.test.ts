import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { namespaceOf } from "../../src/cache/CacheKey.ts"
import { CacheStore, CacheStoreError } from "../../src/cache/CacheStore.ts"
import { PredictionCache } from "../../src/cache/PredictionCache.ts"
import type { ItemOutput } from "../../src/ItemOutput.ts"
import { Metrics } from "../../src/telemetry/Metrics.ts"
import { ask, cacheOver, type Compute, fork, held, memory, model, namesOf, outputOf, unasked } from "./CachedModel.ts"

describe("PredictionCache", () => {
  it.effect("computes what is missing, and only that, in the order of the request", () =>
    Effect.gen(function*() {
      const { compute, computed } = model()
      const first = yield* ask(["a", "b"], compute(["a", "b"]))
      assert.deepStrictEqual([first.status, first.hits], ["miss", [false, false]])
      const mixed = ["c", "b", "d", "a"]
      const second = yield* ask(mixed, compute(mixed))
      assert.deepStrictEqual(namesOf(second.outcomes), ["C", "B", "D", "A"])
      assert.deepStrictEqual([second.status, second.hits], ["partial", [false, true, false, true]])
      const third = yield* ask(mixed, unasked)
      assert.deepStrictEqual(namesOf(third.outcomes), ["C", "B", "D", "A"])
      assert.deepStrictEqual([third.status, third.hits], ["hit", [true, true, true, true]])
      assert.deepStrictEqual(computed, [["a", "b"], ["c", "d"]])
    }).pipe(Effect.provide(memory())))

  it.effect("gives back from the store the very output that was computed", () =>
    Effect.gen(function*() {
      const output: ItemOutput = {
        cost: 3,
        outputs: { embedding: { datatype: "FP32", shape: [1, 2], data: Float32Array.of(0.25, -0) } }
      }
      yield* ask(["a"], () => Effect.succeed([Result.succeed(output)]))
      // Once stored, nothing of the computation is left in memory to answer from.
      yield* Effect.yieldNow
      const { outcomes } = yield* ask(["a"], unasked)
      assert.deepStrictEqual(outcomes, [Result.succeed(output)])
    }).pipe(Effect.provide(memory())))

  it.effect("computes equal items of a request once", () =>
    Effect.gen(function*() {
      const { compute, computed } = model()
      const texts = ["a", "b", "a", "a", "b"]
      const { outcomes, status } = yield* ask(texts, compute(texts))
      assert.deepStrictEqual(namesOf(outcomes), ["A", "B", "A", "A", "B"])
      assert.strictEqual(status, "miss")
      assert.deepStrictEqual(computed, [["a", "b"]])
    }).pipe(Effect.provide(memory())))

  it.effect("keeps no failure, and fails no item for another's", () =>
    Effect.gen(function*() {
      const { compute, computed } = model()
      const texts = ["a", "bad", "b"]
      const { outcomes } = yield* ask(texts, compute(texts))
      assert.deepStrictEqual(namesOf(outcomes), ["A", "failed: cannot take bad", "B"])
      const again = yield* ask(texts, compute(texts))
      assert.deepStrictEqual(again.hits, [true, false, true])
      assert.deepStrictEqual(computed, [texts, ["bad"]])
      assert.strictEqual(yield* Effect.flip(ask(["c"], () => Effect.fail("no room"))), "no room")
      assert.strictEqual((yield* ask(["c"], compute(["c"]))).status, "miss")
    }).pipe(Effect.provide(memory())))

  it.effect("refresh computes again and stores; bypass neither looks nor stores", () =>
    Effect.gen(function*() {
      const answer = (name: string): Compute => (indexes) =>
        Effect.succeed(indexes.map(() => Result.succeed(outputOf(name))))
      yield* ask(["a"], answer("old"))
      const refreshed = yield* ask(["a"], answer("new"), { mode: "refresh" })
      assert.deepStrictEqual([namesOf(refreshed.outcomes), refreshed.status], [["new"], "miss"])
      yield* Effect.yieldNow
      assert.deepStrictEqual(namesOf((yield* ask(["a"], unasked)).outcomes), ["new"])
      const bypassed = yield* ask(["a", "z"], answer("aside"), { mode: "bypass" })
      assert.deepStrictEqual(namesOf(bypassed.outcomes), ["aside", "aside"])
      assert.deepStrictEqual([bypassed.hits, bypassed.status], [[false, false], "bypass"])
      yield* Effect.yieldNow
      assert.deepStrictEqual(namesOf((yield* ask(["a"], unasked)).outcomes), ["new"])
      assert.strictEqual((yield* ask(["z"], answer("z"))).status, "miss")
    }).pipe(Effect.provide(memory())))

  it.effect("never answers one version, precision or option with another's output", () =>
    Effect.gen(function*() {
      const { compute } = model()
      const base = { model: "m", version: "v1", precision: "fp32", plugin: "text", options: { truncate: true } }
      const others = [base, { ...base, version: "v2" }, { ...base, precision: "int8" }, { ...base, options: {} }]
      for (const parts of others) {
        const { status } = yield* ask(["a"], compute(["a"]), { namespace: namespaceOf(parts) })
        assert.strictEqual(status, "miss", JSON.stringify(parts))
      }
    }).pipe(Effect.provide(memory())))

  it.effect("keeps an entry for its time, within 10 %, and not all for the same", () =>
    Effect.gen(function*() {
      const { compute } = model()
      const texts = Array.from({ length: 40 }, (_, index) => `text ${index}`)
      for (const text of texts) yield* ask([text], compute([text]))
      const kept = () =>
        Effect.map(
          Effect.forEach(texts, (text) => ask([text], () => Effect.succeed([Result.fail("gone")]))),
          (answers) => answers.filter(({ status }) => status === "hit").length
        )
      yield* TestClock.adjust(Duration.minutes(8.9))
      assert.strictEqual(yield* kept(), 40)
      yield* TestClock.adjust(Duration.minutes(1.1))
      const half = yield* kept()
      assert.isTrue(half > 0 && half < 40, `${half} of 40 are left after 10 minutes`)
      yield* TestClock.adjust(Duration.minutes(1.1))
      assert.strictEqual(yield* kept(), 0)
    }).pipe(Effect.provide(memory()), Random.withSeed("expiry")))

  it.effect("forgets a model, or everything, and what was under way", () =>
    Effect.gen(function*() {
      const cache = yield* PredictionCache
      const other = namespaceOf({ model: "m2", version: "v1", precision: "fp32", plugin: "text", options: {} })
      const { compute } = model()
      yield* ask(["a", "b"], compute(["a", "b"]))
      yield* ask(["a"], compute(["a"]), { namespace: other })
      yield* Effect.yieldNow
      const leader = held()
      const underWay = yield* fork(ask(["c"], leader.compute))
      assert.strictEqual(yield* cache.clear("m"), 2)
      yield* Deferred.succeed(leader.answer, [Result.succeed(outputOf("stale"))])
      yield* Fiber.join(underWay)
      yield* Effect.yieldNow
      const again = yield* ask(["a", "c"], compute(["a", "c"]))
      assert.deepStrictEqual([namesOf(again.outcomes), again.hits], [["A", "C"], [false, false]])
      assert.strictEqual((yield* ask(["a"], unasked, { namespace: other })).status, "hit")
      yield* Effect.yieldNow
      assert.strictEqual(yield* cache.clear(), 3)
    }).pipe(Effect.provide(memory())))

  it.effect("counts items found and missed, by version too", () =>
    Effect.gen(function*() {
      const { compute } = model()
      const metrics = yield* Metrics
      metrics.registerVersion("m", "v1")
      yield* ask(["a", "b"], compute(["a", "b"]))
      yield* ask(["a", "b", "c"], compute(["a", "b", "c"]))
      yield* ask(["a"], compute(["a"]), { mode: "bypass" })
      yield* Effect.yieldNow
      const stats = yield* Effect.flatMap(PredictionCache, (cache) => cache.stats)
      assert.deepStrictEqual([stats.hits, stats.misses, stats.entries], [2, 3, 3])
      assert.isAbove(stats.bytes, 0)
      const { body } = yield* metrics.render
      assert.include(body, `sluice_cache_items_total{model="m",version="v1",result="hit"} 2`)
      assert.include(body, `sluice_cache_items_total{model="m",version="v1",result="miss"} 3`)
    }).pipe(Effect.provide(memory())))

  describe("over a store that does not work", () => {
    const broken = (error: CacheStoreError["reason"]) => {
      const fail = (operation: CacheStoreError["operation"]): Effect.Effect<never, CacheStoreError> =>
        Effect.fail(new CacheStoreError({ operation, reason: error }))
      return cacheOver(Layer.succeed(CacheStore, {
        getMany: () => fail("getMany"),
        setMany: () => fail("setMany"),
        removeMany: () => Effect.void,
        clear: () => fail("clear"),
        stats: fail("stats"),
        held: () => undefined,
        claims: undefined
      }))
    }

    it.effect("computes everything and fails nothing", () =>
      Effect.gen(function*() {
        const { compute } = model()
        for (let call = 0; call < 2; call++) {
          const { outcomes, status } = yield* ask(["a", "b"], compute(["a", "b"]))
          assert.deepStrictEqual([namesOf(outcomes), status], [["A", "B"], "miss"])
          yield* Effect.yieldNow
        }
        const cache = yield* PredictionCache
        const { bytes, entries, hits, misses, tiers } = yield* cache.stats
        assert.deepStrictEqual({ bytes, entries, hits, misses, tiers }, {
          bytes: 0,
          entries: 0,
          hits: 0,
          misses: 4,
          tiers: []
        })
        assert.instanceOf(yield* Effect.flip(cache.clear()), CacheStoreError)
      }).pipe(Effect.provide(broken("failed"))))

    it.effect("answers at once while the store takes its time to keep the answer", () =>
      Effect.gen(function*() {
        const { compute } = model()
        const first = yield* fork(ask(["a"], compute(["a"])))
        assert.deepStrictEqual(namesOf((yield* Fiber.join(first)).outcomes), ["A"])
        // What is not stored yet is not computed again.
        assert.strictEqual((yield* ask(["a"], unasked)).status, "hit")
      }).pipe(Effect.provide(cacheOver(Layer.succeed(CacheStore, {
        getMany: (keys) => Effect.succeed(keys.map(() => undefined)),
        setMany: () => Effect.never,
        removeMany: () => Effect.void,
        clear: () => Effect.succeed(0),
        stats: Effect.succeed([]),
        held: () => undefined,
        claims: undefined
      })))))

    it.effect("forgets what was cleared before it was kept", () =>
      Effect.gen(function*() {
        const { compute, computed } = model()
        yield* ask(["a"], compute(["a"]))
        yield* Effect.flatMap(PredictionCache, (cache) => cache.clear("m"))
        assert.strictEqual((yield* ask(["a"], compute(["a"]))).status, "miss")
        assert.deepStrictEqual(computed, [["a"], ["a"]])
      }).pipe(Effect.provide(cacheOver(Layer.succeed(CacheStore, {
        getMany: (keys) => Effect.succeed(keys.map(() => undefined)),
        setMany: () => Effect.never,
        removeMany: () => Effect.void,
        clear: () => Effect.succeed(0),
        stats: Effect.succeed([]),
        held: () => undefined,
        claims: undefined
      })))))

    it.effect("takes what it cannot read for a miss, and replaces it", () =>
      Effect.gen(function*() {
        const { compute } = model()
        const found = yield* ask(["a"], compute(["a"]))
        assert.deepStrictEqual([namesOf(found.outcomes), found.status], [["A"], "miss"])
      }).pipe(Effect.provide(cacheOver(Layer.succeed(CacheStore, {
        getMany: (keys) => Effect.succeed(keys.map(() => Uint8Array.of(1, 2, 3))),
        setMany: () => Effect.void,
        removeMany: () => Effect.void,
        clear: () => Effect.succeed(0),
        stats: Effect.succeed([]),
        held: () => undefined,
        claims: undefined
      })))))
  })

  it.effect("dies of a computation that gives another number of results, and leaves nobody waiting", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(ask(["a", "b"], () => Effect.succeed([Result.succeed(outputOf("A"))])))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      const { compute } = model()
      assert.deepStrictEqual(namesOf((yield* ask(["a", "b"], compute(["a", "b"]))).outcomes), ["A", "B"])
    }).pipe(Effect.provide(memory())))

  it.effect("switched off, computes everything under its own place", () =>
    Effect.gen(function*() {
      const { compute, computed } = model()
      const texts = ["a", "a", "b"]
      for (const mode of ["use", "refresh", "bypass"] as const) {
        const { hits, outcomes, status } = yield* ask(texts, compute(texts), { mode })
        assert.deepStrictEqual([namesOf(outcomes), hits, status], [["A", "A", "B"], [false, false, false], "bypass"])
      }
      assert.deepStrictEqual(computed, [texts, texts, texts])
    }).pipe(Effect.provide(PredictionCache.layerDisabled)))
})
