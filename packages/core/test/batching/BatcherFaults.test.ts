import { assert, describe } from "@effect/vitest"
import { InstanceLost } from "@sluice/domain/Errors"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { openQueue, rowOf, settled, short, test } from "./BatcherScenario.ts"
import { doubled, failure, makeGate, makeInstances, names, tensor, valuesOf } from "./Instances.ts"

const lost = new InstanceLost({ ...names, retryAfterMs: 1 })

describe("Batcher", () => {
  describe("when a batch fails", () => {
    const poisoned = (...poison: ReadonlyArray<number>) => (inputs: TensorMap) =>
      valuesOf(inputs, "x").some((value) => poison.includes(value))
        ? Effect.fail(failure)
        : Effect.succeed(doubled(inputs))

    test("fails the row at fault alone", function*() {
      const { submit } = yield* openQueue(yield* makeInstances(1, poisoned(2, 4)))
      const results = yield* submit([1, 2, 3, 4].map((value) => rowOf(value)), "normal")
      assert.deepStrictEqual(short(results), [[2], "ModelFailed", [6], "ModelFailed"])
    })

    test("answers the other callers in the batch", function*() {
      const { start } = yield* openQueue(yield* makeInstances(1, poisoned(2)), { windowMs: 5 })
      const fibers = [yield* start([1]), yield* start([2]), yield* start([3])]
      yield* TestClock.adjust("5 millis")
      const results = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(results.map(short), [[[2]], ["ModelFailed"], [[6]]])
    })

    test("fails every row where the model breaks its signature, and goes on", function*() {
      let broken = true
      const { submit } = yield* openQueue(
        yield* makeInstances(1, (inputs) => Effect.succeed(broken ? { y: tensor([1, 2, 3, 4]) } : doubled(inputs)))
      )
      assert.deepStrictEqual(short(yield* submit([rowOf(1), rowOf(2)], "normal")), ["ModelFailed", "ModelFailed"])
      broken = false
      assert.deepStrictEqual(short(yield* submit([rowOf(3)], "normal")), [[6]])
    })

    test("leaves the caller's tensors as they were, of one row and of many", function*() {
      const { submit } = yield* openQueue(yield* makeInstances(1, poisoned(3)))
      const rows = [rowOf(1), rowOf(2), rowOf(3)]
      yield* submit(rows.slice(0, 1), "normal")
      yield* submit(rows, "normal")
      assert.deepStrictEqual(rows.map(({ inputs }) => valuesOf(inputs, "x")), [[1], [2], [3]])
    })
  })

  describe("when an instance ends", () => {
    test("computes its rows once more elsewhere, each alone", function*() {
      const gate = yield* makeGate
      let first = true
      const instances = yield* makeInstances(2, (inputs) => {
        if (!first) return Effect.succeed(doubled(inputs))
        first = false
        return gate.answer(inputs)
      })
      const { meters, start } = yield* openQueue(instances)
      const unlucky = yield* start([1, 2])
      yield* settled
      instances.kill(0)
      yield* gate.fail(lost)
      assert.deepStrictEqual(short(yield* Fiber.join(unlucky)), [[2], [4]])
      assert.deepStrictEqual(instances.batches, [[1, 2], [1], [2]])
      assert.strictEqual(meters.retries, 2)
    })

    test("fails only the row that ends instances, after its second", function*() {
      const instances = yield* makeInstances(
        1,
        (inputs) => valuesOf(inputs, "x").includes(2) ? Effect.fail(lost) : Effect.succeed(doubled(inputs))
      )
      const { submit } = yield* openQueue(instances)
      assert.deepStrictEqual(short(yield* submit([1, 2, 3].map((value) => rowOf(value)))), [[2], "InstanceLost", [6]])
    })

    test("does not compute again what nobody waits for", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(1, gate.answer)
      const { start } = yield* openQueue(instances)
      const leaver = yield* start([1])
      yield* settled
      yield* Fiber.interrupt(leaver)
      yield* gate.fail(lost)
      yield* settled
      assert.deepStrictEqual(instances.batches, [[1]])
    })

    test("asks one that lives instead of one that ended idle", function*() {
      const instances = yield* makeInstances(2)
      const { start } = yield* openQueue(instances)
      yield* settled
      instances.kill(0)
      assert.deepStrictEqual(short(yield* Fiber.join(yield* start([1]))), [[2]])
    })

    test("keeps what waits for the instance that comes instead", function*() {
      const instances = yield* makeInstances(1)
      const { start } = yield* openQueue(instances)
      yield* settled
      instances.kill(0)
      const caller = yield* start([1])
      yield* settled
      assert.deepStrictEqual(instances.batches, [])
      yield* instances.add
      assert.deepStrictEqual(short(yield* Fiber.join(caller)), [[2]])
    })
  })

  describe("when its scope closes", () => {
    test("tells whoever waits or is being computed, and whoever comes later", function*() {
      const gate = yield* makeGate
      const scope = yield* Scope.make()
      const instances = yield* makeInstances(1, gate.answer)
      const { meters, start, submit } = yield* Scope.provide(openQueue(instances), scope)
      const computed = yield* start([1])
      yield* settled
      const waiting = yield* start([2, 3])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(short(yield* Fiber.join(computed)), ["InstanceLost"])
      assert.deepStrictEqual(short(yield* Fiber.join(waiting)), ["InstanceLost", "InstanceLost"])
      assert.deepStrictEqual(short(yield* submit([rowOf(4)], "normal")), ["InstanceLost"])
      assert.strictEqual(meters.waiting, 0)
      yield* gate.open
      yield* settled
      assert.deepStrictEqual(instances.batches, [[1]])
    })
  })
})
