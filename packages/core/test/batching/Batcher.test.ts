import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { openQueue, rowOf, scenario, settled, short, test } from "./BatcherScenario.ts"
import { doubled, makeGate, makeInstances, signature, tensor } from "./Instances.ts"

describe("Batcher", () => {
  describe("with an idle instance", () => {
    test("dispatches a lone request at once", function*() {
      const instances = yield* makeInstances(1)
      const { submit } = yield* openQueue(instances)
      const results = yield* submit([rowOf(1), rowOf(2)], "normal")
      assert.deepStrictEqual(short(results), [[2], [4]])
      assert.deepStrictEqual(instances.batches, [[1, 2]])
    })

    test("answers a request without rows", function*() {
      const { submit } = yield* openQueue(yield* makeInstances(1))
      assert.deepStrictEqual(yield* submit([], "normal"), [])
    })

    test("runs as many batches at a time as there are instances, one on each", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(2, gate.answer)
      const { start } = yield* openQueue(instances)
      for (const value of [1, 2, 3]) {
        yield* start([value])
        yield* settled
      }
      assert.deepStrictEqual(instances.batches, [[1], [2]])
      assert.deepStrictEqual(instances.running, [1, 1])
    })

    test("says how long a row waited and how long it computed", function*() {
      const gate = yield* makeGate
      const { start } = yield* openQueue(yield* makeInstances(1, gate.answer))
      yield* start([1])
      yield* settled
      const second = yield* start([2])
      yield* TestClock.adjust("30 millis")
      yield* gate.open
      const [row] = yield* Fiber.join(second)
      assert.deepInclude(row !== undefined && Result.isSuccess(row) ? row.success : {}, {
        queueMs: 30,
        computeMs: 1,
        cost: 1
      })
    })
  })

  describe("while all instances are busy", () => {
    test("collects what arrives, and runs it as one batch", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(1, gate.answer)
      const { start } = yield* openQueue(instances)
      const fibers = []
      for (const values of [[1], [2, 3], [4]]) {
        fibers.push(yield* start(values))
        yield* settled
      }
      yield* gate.open
      const results = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(results.map(short), [[[2]], [[4], [6]], [[8]]])
      assert.deepStrictEqual(instances.batches, [[1], [2, 3, 4]])
    })

    test("cuts what arrived into batches of the size allowed", function*() {
      const instances = yield* makeInstances(1)
      const { submit } = yield* openQueue(instances, { maxBatchSize: 2 })
      assert.deepStrictEqual(short(yield* submit([1, 2, 3, 4, 5].map((value) => rowOf(value)), "normal")), [
        [2],
        [4],
        [6],
        [8],
        [10]
      ])
      assert.deepStrictEqual(instances.batches, [[1, 2], [3, 4], [5]])
    })

    test("lets a request of high priority overtake those that wait", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(1, gate.answer)
      const { start } = yield* openQueue(instances, { maxBatchSize: 1 })
      const first = yield* start([1])
      yield* settled
      const fibers = [first, yield* start([2], "low"), yield* start([3]), yield* start([4], "high")]
      yield* gate.open
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(instances.batches, [[1], [4], [3], [2]])
    })
  })

  describe("with a window", () => {
    test("waits that long from the first arrival on", function*() {
      const instances = yield* makeInstances(1)
      const { start } = yield* openQueue(instances, { windowMs: 10 })
      const first = yield* start([1])
      yield* TestClock.adjust("6 millis")
      const second = yield* start([2])
      yield* TestClock.adjust("3 millis")
      assert.deepStrictEqual(instances.batches, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(instances.batches, [[1, 2]])
      assert.deepStrictEqual([short(yield* Fiber.join(first)), short(yield* Fiber.join(second))], [[[2]], [[4]]])
    })

    test("does not wait when the batch is full", function*() {
      const instances = yield* makeInstances(1)
      const { start } = yield* openQueue(instances, { windowMs: 10, maxBatchSize: 3 })
      yield* start([1])
      yield* TestClock.adjust("2 millis")
      yield* start([2, 3, 4])
      yield* settled
      assert.deepStrictEqual(instances.batches, [[1, 2, 3]])
      yield* TestClock.adjust("9 millis")
      assert.deepStrictEqual(instances.batches, [[1, 2, 3]])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(instances.batches, [[1, 2, 3], [4]])
    })

    test("does not wait again for what arrived long ago", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(1, gate.answer)
      const { start } = yield* openQueue(instances, { windowMs: 10, maxBatchSize: 2 })
      yield* start([1, 2])
      yield* start([3])
      yield* TestClock.adjust("10 millis")
      yield* gate.open
      yield* settled
      assert.deepStrictEqual(instances.batches, [[1, 2], [3]])
    })

    test("leaves out who has left, and does not count them as members", function*() {
      const instances = yield* makeInstances(1)
      const { meters, start } = yield* openQueue(instances, { windowMs: 10, maxBatchSize: 2 })
      const leaver = yield* start([1])
      yield* TestClock.adjust("3 millis")
      yield* Fiber.interrupt(leaver)
      yield* start([2])
      yield* TestClock.adjust("9 millis")
      assert.deepStrictEqual(instances.batches, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(instances.batches, [[2]])
      assert.strictEqual(meters.waiting, 0)
    })

    test("runs nothing when all have left, and serves the next", function*() {
      const instances = yield* makeInstances(1)
      const { start } = yield* openQueue(instances, { windowMs: 10 })
      yield* Fiber.interrupt(yield* start([1]))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(instances.batches, [])
      const next = yield* start([2])
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(short(yield* Fiber.join(next)), [[4]])
    })
  })

  describe("admission", () => {
    test("refuses what does not fit into the queue, and takes what does", function*() {
      const gate = yield* makeGate
      const { meters, start, submit } = yield* openQueue(yield* makeInstances(1, gate.answer), { queueCapacity: 4 })
      yield* start([1])
      yield* settled
      yield* start([2, 3, 4])
      const refusal = yield* Effect.flip(submit([rowOf(5), rowOf(6)], "normal"))
      assert.strictEqual(refusal._tag, "Overloaded")
      assert.strictEqual(meters.waiting, 3)
      const admitted = yield* start([7])
      yield* gate.open
      assert.deepStrictEqual(short(yield* Fiber.join(admitted)), [[14]])
    })

    test("takes a request larger than the queue while nothing waits", function*() {
      const { submit } = yield* openQueue(yield* makeInstances(1), { queueCapacity: 2, maxBatchSize: 2 })
      assert.strictEqual((yield* submit([1, 2, 3, 4, 5].map((value) => rowOf(value)), "normal")).length, 5)
    })

    test("has room again when a caller leaves", function*() {
      const gate = yield* makeGate
      const { start } = yield* openQueue(yield* makeInstances(1, gate.answer), { queueCapacity: 2 })
      yield* start([1])
      yield* settled
      const leaver = yield* start([2, 3])
      yield* Fiber.interrupt(leaver)
      const next = yield* start([4, 5])
      yield* gate.open
      assert.deepStrictEqual(short(yield* Fiber.join(next)), [[8], [10]])
    })

    test("tells the refused to wait about as long as what is queued takes", function*() {
      const { start, submit } = yield* openQueue(
        yield* makeInstances(1, (inputs) => Effect.as(Effect.sleep("100 millis"), doubled(inputs)), signature, 100),
        { queueCapacity: 6, maxBatchSize: 2 }
      )
      const first = yield* start([1, 2])
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(first)
      yield* Effect.forEach([[3, 4], [5, 6], [7, 8], [9, 10]], (values) => start(values))
      const refusal = yield* Effect.flip(submit([rowOf(11)], "normal"))
      const waitMs = refusal._tag === "Overloaded" ? refusal.retryAfterMs : NaN
      assert.isAtLeast(waitMs, 0.8 * 400)
      assert.isAtMost(waitMs, 1.2 * 400)
    })

    test("counts a large request for one batch, so that others still find room", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(1, gate.answer)
      const { start } = yield* openQueue(instances, { queueCapacity: 4, maxBatchSize: 2 })
      const fibers = [yield* start([1])]
      yield* settled
      fibers.push(yield* start(Array.from({ length: 50 }, (_, i) => i)))
      fibers.push(yield* start([2, 3]))
      yield* gate.open
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(answers.map((answer) => answer.length), [1, 50, 2])
    })
  })

  describe("when callers leave", () => {
    test("never computes their rows", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(1, gate.answer)
      const { meters, start } = yield* openQueue(instances)
      const first = yield* start([1])
      yield* settled
      const leavers = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, i) => 1000 + i),
        (value) => start([value, value])
      )
      const stayer = yield* start([2])
      assert.strictEqual(meters.waiting, 401)
      yield* Fiber.interruptAll(leavers)
      assert.strictEqual(meters.waiting, 1)
      yield* gate.open
      assert.deepStrictEqual([short(yield* Fiber.join(first)), short(yield* Fiber.join(stayer))], [[[2]], [[4]]])
      assert.deepStrictEqual(instances.batches, [[1], [2]])
      assert.strictEqual(meters.waiting, 0)
    })

    test("gives the batch that runs to those who stayed", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(1, gate.answer)
      const { meters, start } = yield* openQueue(instances, { windowMs: 1 })
      const leaver = yield* start([1])
      const stayer = yield* start([2])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(instances.batches, [[1, 2]])
      yield* Fiber.interrupt(leaver)
      yield* gate.open
      assert.deepStrictEqual(short(yield* Fiber.join(stayer)), [[4]])
      assert.strictEqual(meters.waiting, 0)
    })

    const interruptedAt = (step: number) =>
      scenario(Effect.gen(function*() {
        const gate = yield* makeGate
        const instances = yield* makeInstances(1, gate.answer)
        const { meters, start, submit } = yield* openQueue(instances)
        yield* start([1])
        yield* settled
        const caller = yield* submit([rowOf(2), rowOf(3)], "normal").pipe(
          // The fewest with which a fiber still gets on
          Effect.provideService(References.MaxOpsBeforeYield, 3),
          Effect.forkChild
        )
        for (let i = 0; i < step; i++) yield* Effect.yieldNow
        const waitingBefore = meters.waiting
        yield* Fiber.interrupt(caller)
        assert.strictEqual(meters.waiting, 0)
        yield* gate.open
        yield* settled
        assert.deepStrictEqual(instances.batches, [[1]])
        return waitingBefore
      }))

    it.effect("forgets one who leaves at any step of arriving", () =>
      Effect.gen(function*() {
        const waited = yield* Effect.forEach(Array.from({ length: 30 }, (_, step) => step), interruptedAt)
        assert.strictEqual(waited.at(0), 0)
        assert.strictEqual(waited.at(-1), 2)
      }))
  })

  describe("of a model that is not batchable", () => {
    test("runs one row at a time, whose outputs are its own whatever their shape", function*() {
      const of = { ...signature, batchable: false, outputs: [{ name: "y", datatype: "INT32" as const, shape: [3] }] }
      const instances = yield* makeInstances(1, () => Effect.succeed({ y: { ...tensor([7, 8, 9]), shape: [3] } }), of)
      const { submit } = yield* openQueue(instances, { maxBatchSize: 1 })
      assert.deepStrictEqual(short(yield* submit([rowOf(1), rowOf(2)], "normal")), [[7, 8, 9], [7, 8, 9]])
      assert.deepStrictEqual(instances.batches, [[1], [2]])
    })
  })

  describe("with rows of unequal length", () => {
    test("fills them up where the model has padding", function*() {
      const instances = yield* makeInstances(1)
      const { submit } = yield* openQueue(instances, { padding: { x: -1 } })
      const results = yield* submit([rowOf(1), rowOf(2, 3, 4)], "normal")
      assert.deepStrictEqual(instances.batches, [[1, -1, -1, 2, 3, 4]])
      assert.deepStrictEqual(short(results), [[2, -2, -2], [4, 6, 8]])
    })

    test("runs them apart where it has none", function*() {
      const instances = yield* makeInstances(1)
      const { submit } = yield* openQueue(instances)
      const results = yield* submit([rowOf(1), rowOf(2, 3), rowOf(4)], "normal")
      assert.deepStrictEqual(instances.batches, [[1, 4], [2, 3]])
      assert.deepStrictEqual(short(results), [[2], [4, 6], [8]])
    })
  })
})
