import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { type CacheClaims, CacheStore } from "../../src/cache/CacheStore.ts"
import { layerMemory } from "../../src/cache/CacheStoreMemory.ts"
import { PredictionCache } from "../../src/cache/PredictionCache.ts"
import { ask, cacheOver, type Compute, fork, held, memory, model, namesOf, outputOf, unasked } from "./CachedModel.ts"

/** A store in memory that processes share: claims end as they do in Redis. */
const storeWithClaims = Effect.gen(function*() {
  const memory = Context.get(yield* Layer.build(layerMemory({ maxBytes: 1_000_000 })), CacheStore)
  const held = new Map<string, { readonly token: string; readonly until: number }>()
  const standings = (keys: ReadonlyArray<string>, claimed: (key: string, now: number) => boolean) =>
    Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const values = yield* memory.getMany(keys)
      return keys.map((key, index) => ({ claimed: claimed(key, now), value: values[index] }))
    })
  const isHeld = (key: string, now: number) => (held.get(key)?.until ?? 0) > now
  const claims: CacheClaims = {
    claim: (keys, token, holdMs) =>
      standings(keys, (key, now) => {
        if (isHeld(key, now)) return false
        held.set(key, { token, until: now + holdMs })
        return true
      }),
    look: (keys) => standings(keys, isHeld),
    renew: (keys, token, holdMs) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        for (const key of keys) if (held.get(key)?.token === token) held.set(key, { token, until: now + holdMs })
      }),
    release: (keys, token) =>
      Effect.sync(() => keys.forEach((key) => held.get(key)?.token === token && held.delete(key)))
  }
  return CacheStore.of({ ...memory, held: () => undefined, claims })
})

/** The cache of a process of its own. */
const processOver = (store: CacheStore["Service"]) =>
  Effect.map(
    Layer.build(Layer.fresh(cacheOver(Layer.succeed(CacheStore, store)))),
    (context) => Context.get(context, PredictionCache)
  )

describe("PredictionCache, shared by callers", () => {
  it.effect("computes once for callers that ask at the same time", () =>
    Effect.gen(function*() {
      const leader = held()
      const first = yield* fork(ask(["a", "b"], leader.compute))
      assert.deepStrictEqual(yield* Deferred.await(leader.started), [0, 1])
      const { compute, computed } = model()
      const second = yield* fork(ask(["b", "c"], compute(["b", "c"])))
      const third = yield* fork(ask(["a"], unasked))
      assert.deepStrictEqual(computed, [["c"]])
      yield* Deferred.succeed(leader.answer, [Result.succeed(outputOf("1")), Result.succeed(outputOf("2"))])
      assert.deepStrictEqual(namesOf((yield* Fiber.join(first)).outcomes), ["1", "2"])
      assert.deepStrictEqual(namesOf((yield* Fiber.join(second)).outcomes), ["2", "C"])
      assert.deepStrictEqual(namesOf((yield* Fiber.join(third)).outcomes), ["1"])
    }).pipe(Effect.provide(memory())))

  it.effect("has callers that wait for each other wait for no longer than the computations", () =>
    Effect.gen(function*() {
      const [one, two] = [held(), held()]
      // Each leads an item that the other waits for.
      const first = yield* fork(ask(["a"], one.compute))
      const second = yield* fork(ask(["b", "a"], two.compute))
      const third = yield* fork(ask(["a", "b"], unasked))
      assert.deepStrictEqual(yield* Deferred.await(two.started), [0])
      yield* Deferred.succeed(two.answer, [Result.succeed(outputOf("B"))])
      yield* Deferred.succeed(one.answer, [Result.succeed(outputOf("A"))])
      assert.deepStrictEqual(namesOf((yield* Fiber.join(first)).outcomes), ["A"])
      assert.deepStrictEqual(namesOf((yield* Fiber.join(second)).outcomes), ["B", "A"])
      assert.deepStrictEqual(namesOf((yield* Fiber.join(third)).outcomes), ["A", "B"])
    }).pipe(Effect.provide(memory())))

  const partings: ReadonlyArray<
    readonly [
      string,
      (leader: ReturnType<typeof held>, fiber: Fiber.Fiber<unknown, unknown>) => Effect.Effect<unknown>
    ]
  > = [
    ["was interrupted", (_, fiber) => Fiber.interrupt(fiber)],
    ["failed", ({ answer }) => Deferred.fail(answer, "its own deadline passed")],
    ["died", ({ answer }) => Deferred.die(answer, new Error("fault"))],
    ["failed on the item", ({ answer }) => Deferred.succeed(answer, [Result.fail("its own deadline passed")])]
  ]
  for (const [what, part] of partings) {
    it.effect(`has those who waited compute for themselves when the leader ${what}`, () =>
      Effect.gen(function*() {
        const leader = held()
        const first = yield* fork(ask(["a"], leader.compute))
        yield* Deferred.await(leader.started)
        const { compute, computed } = model()
        const followers = yield* Effect.forEach([1, 2, 3], () => fork(ask(["a"], compute(["a"]))))
        assert.deepStrictEqual(computed, [])
        yield* part(leader, first)
        const answers = yield* Effect.forEach(followers, Fiber.join)
        assert.deepStrictEqual(answers.map(({ outcomes }) => namesOf(outcomes)), [["A"], ["A"], ["A"]])
      }).pipe(Effect.provide(memory())))
  }

  it.effect("bounds the wait of one whose leaders keep failing", () =>
    Effect.gen(function*() {
      const [one, two] = [held(), held()]
      yield* fork(Effect.exit(ask(["a"], one.compute)))
      const waiting = yield* Effect.forEach([1, 2], () => fork(Effect.exit(ask(["a"], two.compute))))
      const { compute } = model()
      const last = yield* fork(ask(["a"], compute(["a"])))
      yield* Deferred.fail(one.answer, "first")
      // The two others compute still; the last one waited once and waits no more.
      assert.deepStrictEqual(namesOf((yield* Fiber.join(last)).outcomes), ["A"])
      yield* Deferred.fail(two.answer, "second")
      const exits = yield* Effect.forEach(waiting, Fiber.join)
      assert.isTrue(exits.every(Exit.isFailure))
    }).pipe(Effect.provide(memory())))

  it.effect("leaves the leader alone when one who waits is interrupted", () =>
    Effect.gen(function*() {
      const leader = held()
      const first = yield* fork(ask(["a"], leader.compute))
      const follower = yield* fork(ask(["a"], unasked))
      yield* Fiber.interrupt(follower)
      assert.isUndefined(first.pollUnsafe())
      yield* Deferred.succeed(leader.answer, [Result.succeed(outputOf("A"))])
      assert.deepStrictEqual(namesOf((yield* Fiber.join(first)).outcomes), ["A"])
    }).pipe(Effect.provide(memory())))

  it.effect("does not answer a refresh with a computation that began before it", () =>
    Effect.gen(function*() {
      const leader = held()
      yield* fork(ask(["a"], leader.compute))
      yield* Deferred.await(leader.started)
      const { compute, computed } = model()
      const refreshed = yield* ask(["a"], compute(["a"]), { mode: "refresh" })
      assert.deepStrictEqual([namesOf(refreshed.outcomes), computed], [["A"], [["a"]]])
    }).pipe(Effect.provide(memory())))
})

describe("PredictionCache, shared by processes", () => {
  it.effect("computes once what takes longer than a claim lasts", () =>
    Effect.gen(function*() {
      const store = yield* storeWithClaims
      const [one, two] = [yield* processOver(store), yield* processOver(store)]
      let computed = 0
      const slow: Compute = () =>
        Effect.as(Effect.delay(Effect.sync(() => computed++), "30 seconds"), [Result.succeed(outputOf("A"))])
      const first = yield* fork(Effect.provideService(ask(["a"], slow), PredictionCache, one))
      yield* TestClock.adjust("100 millis")
      const second = yield* fork(Effect.provideService(ask(["a"], slow), PredictionCache, two))
      yield* TestClock.adjust("31 seconds")
      assert.deepStrictEqual(namesOf((yield* Fiber.join(first)).outcomes), ["A"])
      assert.deepStrictEqual(namesOf((yield* Fiber.join(second)).outcomes), ["A"])
      assert.strictEqual(computed, 1)
    }).pipe(Effect.scoped))

  it.effect("renews no claim of a caller who left", () =>
    Effect.gen(function*() {
      const store = yield* storeWithClaims
      const [one, two] = [yield* processOver(store), yield* processOver(store)]
      const leader = held()
      const first = yield* fork(Effect.provideService(ask(["a"], leader.compute), PredictionCache, one))
      yield* Deferred.await(leader.started)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(first)
      const { compute } = model()
      const second = yield* fork(Effect.provideService(ask(["a"], compute(["a"])), PredictionCache, two))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(namesOf((yield* Fiber.join(second)).outcomes), ["A"])
    }).pipe(Effect.scoped))
})
