import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { CACHE_ROOT, claimKey, EPOCH_KEY, itemKey } from "../../src/cache/CacheKey.ts"
import { PredictionCache } from "../../src/cache/PredictionCache.ts"
import { Metrics } from "../../src/telemetry/Metrics.ts"
import { type RedisServer, redisServer, withoutRedis } from "../RedisServer.ts"
import { type Compute, namesOf, namespace, type Outcome, outputOf } from "./CachedModel.ts"
import { cacheStoreConformance } from "./CacheStoreConformance.ts"
import { storeOf, tieredAt } from "./RedisStores.ts"

const quiet = Logger.layer([])
const metrics = Metrics.layer({ enabled: true })
const key = `${CACHE_ROOT}m:v1:a`
const keyOf = (text: string) => itemKey(namespace, { _tag: "Text", text })

/** The cache of a process of its own. */
const processAt = (port: number) =>
  Effect.map(
    Layer.build(
      Layer.fresh(PredictionCache.layer({ timeToLive: "10 minutes" })).pipe(
        Layer.provide(tieredAt(port, { operation: "2 seconds" })),
        Layer.provide(Layer.fresh(metrics))
      )
    ),
    (context) => Context.get(context, PredictionCache)
  )

const ask = (cache: PredictionCache["Service"], texts: ReadonlyArray<string>, compute: Compute) =>
  cache.resolve({
    namespace,
    inputs: texts.map((text) => ({ _tag: "Text" as const, text })),
    mode: "use",
    compute
  })

/** A model that takes a while, and remembers what it was given. */
const slowModel = () => {
  const computed: Array<string> = []
  const compute = (texts: ReadonlyArray<string>): Compute => (indexes) =>
    Effect.gen(function*() {
      const items = indexes.map((index) => texts[index] ?? "none")
      computed.push(...items)
      yield* Effect.sleep("50 millis")
      return items.map((item): Outcome => Result.succeed(outputOf(item.toUpperCase())))
    })
  return { computed, compute }
}

const test = (
  name: string,
  body: (server: RedisServer) => Effect.Effect<void, unknown, Metrics | Scope.Scope>
) =>
  it.live(
    name,
    () => Effect.flatMap(redisServer, body).pipe(Effect.provide(Layer.mergeAll(quiet, metrics)), Effect.scoped)
  )

describe.skipIf(withoutRedis)("CacheStoreTiered over Redis", () => {
  cacheStoreConformance({
    layer: Layer.unwrap(
      Effect.map(redisServer, ({ port }) => tieredAt(port, { operation: "10 seconds" }))
    ).pipe(Layer.provide([quiet, metrics])),
    run: it.live,
    passTime: (duration) => Effect.sleep(duration)
  })

  test("gives a key to one of those who claim it, until it is released or its time is over", ({ port }) =>
    Effect.gen(function*() {
      const one = (yield* storeOf(tieredAt(port, { operation: "2 seconds" }))).claims
      const two = (yield* storeOf(tieredAt(port, { operation: "2 seconds" }))).claims
      if (one === undefined || two === undefined) return assert.fail("a store in Redis is shared")
      const claimed = (claims: typeof one, token: string, holdMs = 2_000) =>
        Effect.map(claims.claim([key], token, holdMs), ([standing]) => standing?.claimed)
      assert.isTrue(yield* claimed(one, "1"))
      assert.isFalse(yield* claimed(two, "2"))
      // Only whose claim it is ends it.
      yield* two.release([key], "2")
      assert.isTrue((yield* two.look([key]))[0]?.claimed)
      yield* one.release([key], "1")
      assert.isFalse((yield* two.look([key]))[0]?.claimed)
      assert.isTrue(yield* claimed(two, "2", 1))
      yield* Effect.repeat(Effect.delay(two.look([key]), "2 millis"), { until: ([standing]) => !standing?.claimed })
      assert.isTrue(yield* claimed(one, "1"))
    }))

  test("renews claims for whoever has them, and takes none for one that does not end", ({ command, port }) =>
    Effect.gen(function*() {
      const { claims } = yield* storeOf(tieredAt(port, { operation: "2 seconds" }))
      if (claims === undefined) return assert.fail("a store in Redis is shared")
      yield* claims.claim([key], "1", 200)
      const left = Effect.map(command("PTTL", claimKey(key)), Number)
      yield* claims.renew([key], "2", 2_000)
      assert.isAtMost(yield* left, 200)
      yield* claims.renew([key], "1", 2_000)
      assert.isAbove(yield* left, 200)
      yield* command("SET", claimKey(key), "of nobody")
      assert.isFalse((yield* claims.look([key]))[0]?.claimed)
      yield* command("SET", claimKey(key), "of another program", "EX", "3600")
      assert.isFalse((yield* claims.look([key]))[0]?.claimed)
      const { compute, computed } = slowModel()
      const cache = yield* processAt(port)
      yield* command("SET", claimKey(itemKey(namespace, { _tag: "Text", text: "a" })), "of nobody")
      assert.deepStrictEqual(namesOf((yield* ask(cache, ["a"], compute(["a"]))).outcomes), ["A"])
      assert.deepStrictEqual(computed, ["a"])
    }))

  test("clears a Redis that is full, in every process", ({ command, port }) =>
    Effect.gen(function*() {
      const { compute, computed } = slowModel()
      const [one, two] = [yield* processAt(port), yield* processAt(port)]
      // An epoch is there, and seen by both.
      yield* Effect.repeat(Effect.delay(command("EXISTS", EPOCH_KEY), "20 millis"), { until: (found) => found === 1 })
      yield* ask(one, ["a"], compute(["a"]))
      yield* Effect.repeat(Effect.delay(command("EXISTS", keyOf("a")), "2 millis"), { until: (found) => found === 1 })
      yield* Effect.repeat(Effect.delay(ask(two, ["a"], compute(["a"])), "2 millis"), {
        until: ({ status }) => status === "hit"
      })
      yield* command("CONFIG", "SET", "maxmemory", "1")
      assert.strictEqual(yield* one.clear(), 1)
      const before = computed.length
      yield* Effect.repeat(Effect.delay(ask(two, ["a"], compute(["a"])), "20 millis"), {
        until: ({ status }) => status === "miss"
      })
      assert.strictEqual(computed.length, before + 1)
    }))

  test("takes a value that lies under another key for none", ({ command, port }) =>
    Effect.gen(function*() {
      const { compute, computed } = slowModel()
      yield* ask(yield* processAt(port), ["a"], compute(["a"]))
      yield* Effect.repeat(Effect.delay(command("EXISTS", keyOf("a")), "2 millis"), { until: (found) => found === 1 })
      yield* command("COPY", keyOf("a"), keyOf("b"))
      const found = yield* ask(yield* processAt(port), ["b"], compute(["b"]))
      assert.deepStrictEqual([namesOf(found.outcomes), computed], [["B"], ["a", "b"]])
    }))

  test("computes a text once for the callers of two processes", ({ port }) =>
    Effect.gen(function*() {
      const { compute, computed } = slowModel()
      const processes = [yield* processAt(port), yield* processAt(port)]
      const answers = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, caller) => processes[caller % 2] ?? assert.fail("no process")),
        (cache) => ask(cache, ["a", "b"], compute(["a", "b"])),
        { concurrency: "unbounded" }
      )
      for (const { outcomes } of answers) assert.deepStrictEqual(namesOf(outcomes), ["A", "B"])
      assert.deepStrictEqual(computed.toSorted(), ["a", "b"])
    }))

  test("has processes that wait for each other compute each their own", ({ port }) =>
    Effect.gen(function*() {
      const { compute, computed } = slowModel()
      const [one, two] = [yield* processAt(port), yield* processAt(port)]
      const gate = yield* Deferred.make<void>()
      const started = yield* Deferred.make<void>()
      const held: Compute = (indexes) =>
        Effect.andThen(
          Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(gate)),
          compute(["a"])(indexes)
        )
      const first = yield* Effect.forkChild(ask(one, ["a"], held))
      yield* Deferred.await(started)
      const second = yield* Effect.forkChild(ask(two, ["b", "a"], compute(["b", "a"])))
      yield* Effect.repeat(Effect.delay(Effect.sync(() => computed.length), "2 millis"), {
        until: (items) => items > 0
      })
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(namesOf((yield* Fiber.join(second)).outcomes), ["B", "A"])
      assert.deepStrictEqual(namesOf((yield* Fiber.join(first)).outcomes), ["A"])
      assert.deepStrictEqual(computed, ["b", "a"])
    }))

  test("computes in the other process when the first one leaves, fails, or is gone", ({ port }) =>
    Effect.gen(function*() {
      const { compute, computed } = slowModel()
      const [one, two] = [yield* processAt(port), yield* processAt(port)]
      for (const part of ["leaves", "fails"]) {
        const started = yield* Deferred.make<void>()
        const answer = yield* Deferred.make<never, string>()
        const held: Compute = () => Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(answer))
        const first = yield* Effect.forkChild(Effect.exit(ask(one, [part], held)))
        yield* Deferred.await(started)
        const second = yield* Effect.forkChild(ask(two, [part], compute([part])), { startImmediately: true })
        yield* part === "leaves" ? Fiber.interrupt(first) : Deferred.fail(answer, "its own deadline passed")
        assert.deepStrictEqual(namesOf((yield* Fiber.join(second)).outcomes), [part.toUpperCase()])
      }
      // One that is gone releases nothing: its claim ends by itself.
      const { claims } = yield* storeOf(tieredAt(port, { operation: "2 seconds" }))
      if (claims === undefined) return assert.fail("a store in Redis is shared")
      yield* claims.claim([itemKey(namespace, { _tag: "Text", text: "gone" })], "of the dead", 300)
      assert.deepStrictEqual(namesOf((yield* ask(two, ["gone"], compute(["gone"]))).outcomes), ["GONE"])
      assert.deepStrictEqual(computed, ["leaves", "fails", "gone"])
    }))

  test("forgets in every process what one of them clears, by model", ({ port }) =>
    Effect.gen(function*() {
      const { compute, computed } = slowModel()
      const [one, two] = [yield* processAt(port), yield* processAt(port)]
      yield* ask(one, ["a"], compute(["a"]))
      yield* Effect.repeat(Effect.delay(ask(two, ["a"], compute(["a"])), "2 millis"), {
        until: ({ status }) => status === "hit"
      })
      assert.strictEqual(yield* one.clear("other"), 0)
      assert.strictEqual(yield* one.clear("m"), 1)
      yield* Effect.repeat(Effect.delay(ask(two, ["a"], compute(["a"])), "50 millis"), {
        until: ({ status }) => status === "miss"
      })
      assert.deepStrictEqual(computed, ["a", "a"])
    }))
})
