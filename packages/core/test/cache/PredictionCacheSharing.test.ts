import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { ask, fork, held, memory, model, namesOf, outputOf, unasked } from "./CachedModel.ts"

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
