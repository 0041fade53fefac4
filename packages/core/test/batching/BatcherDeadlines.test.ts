import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { openQueue, rowOf, settled, short, test } from "./BatcherScenario.ts"
import { doubled, makeGate, makeInstances } from "./Instances.ts"

/** Instances that take so long for each batch. */
const slow = (ms: number) => makeInstances(1, (inputs) => Effect.as(Effect.sleep(ms), doubled(inputs)), undefined, ms)

describe("Batcher", () => {
  describe("with deadlines", () => {
    test("tells a caller when its time is up, and never computes what waited", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(1, gate.answer)
      const { meters, start } = yield* openQueue(instances)
      const first = yield* start([1])
      yield* settled
      const late = yield* start([2, 3], "normal", 50)
      const patient = yield* start([4], "normal", 500)
      yield* TestClock.adjust("50 millis")
      const error = yield* Effect.flip(Fiber.join(late))
      assert.deepInclude(error, { _tag: "DeadlineExceeded", timeoutMs: 50 })
      assert.strictEqual(meters.waiting, 1)
      assert.strictEqual(meters.drops.get("expired"), 2)
      yield* gate.open
      assert.deepStrictEqual([short(yield* Fiber.join(first)), short(yield* Fiber.join(patient))], [[[2]], [[8]]])
      assert.deepStrictEqual(instances.batches, [[1], [4]])
    })

    test("tells a caller whose rows are being computed, too", function*() {
      const gate = yield* makeGate
      const { meters, start } = yield* openQueue(yield* makeInstances(1, gate.answer))
      const caller = yield* start([1], "normal", 20)
      yield* TestClock.adjust("20 millis")
      assert.strictEqual((yield* Effect.flip(Fiber.join(caller)))._tag, "DeadlineExceeded")
      assert.strictEqual(meters.drops.get("expired"), 0)
    })

    test("computes first what is due first", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(1, gate.answer)
      const { start } = yield* openQueue(instances, { maxBatchSize: 1 })
      const fibers = [yield* start([1])]
      yield* settled
      for (const [value, timeoutMs] of [[2, 900], [3, 300], [4, 600]] as const) {
        fibers.push(yield* start([value], "normal", timeoutMs))
      }
      yield* gate.open
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(instances.batches, [[1], [3], [4], [2]])
    })

    test("refuses on arrival what it could not compute in time, and takes it from who allows more", function*() {
      const { meters, start, submit } = yield* openQueue(yield* slow(100), { maxBatchSize: 1 })
      const learning = yield* start([0])
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(learning)
      const waiting = yield* Effect.forEach([1, 2, 3, 4, 5], (value) => start([value]))
      const refusal = yield* Effect.flip(submit([rowOf(6)], "normal", 200))
      assert.strictEqual(refusal._tag, "Overloaded")
      assert.strictEqual(meters.refusals.get("too_late"), 1)
      if (refusal._tag === "Overloaded") {
        assert.isAtLeast(refusal.retryAfterMs, 0.8 * 500)
        assert.isAtMost(refusal.retryAfterMs, 1.2 * 500)
      }
      const patient = yield* start([7], "normal", 5_000)
      yield* TestClock.adjust("2 seconds")
      yield* Effect.forEach(waiting, Fiber.join)
      assert.deepStrictEqual(short(yield* Fiber.join(patient)), [[14]])
    })

    test("closes a window early for a member that would miss its deadline", function*() {
      const instances = yield* makeInstances(1)
      const { start } = yield* openQueue(instances, { windowMs: 1_000 })
      const caller = yield* start([1], "normal", 100)
      yield* TestClock.adjust("99 millis")
      assert.deepStrictEqual(short(yield* Fiber.join(caller)), [[2]])
    })
  })

  describe("with consistent rows", () => {
    test("computes each in a batch of its own", function*() {
      const instances = yield* makeInstances(1)
      const { submit } = yield* openQueue(instances)
      const results = yield* submit([rowOf(1), rowOf(2)], "normal", 1_000, true)
      assert.deepStrictEqual(short(results), [[2], [4]])
      assert.deepStrictEqual(instances.batches, [[1], [2]])
    })
  })

  describe("with a large request", () => {
    test("answers it whole, and lets others in between", function*() {
      const instances = yield* slow(10)
      const { start } = yield* openQueue(instances, { maxBatchSize: 4, queueCapacity: 100 })
      const learning = yield* start([0])
      yield* TestClock.adjust("10 millis")
      yield* Fiber.join(learning)
      const values = Array.from({ length: 1_000 }, (_, i) => i)
      const large = yield* start(values)
      yield* TestClock.adjust("200 millis")
      const batchesBefore = instances.batches.length
      const small = yield* start([-1])
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(short(yield* Fiber.join(large)), values.map((value) => [2 * value]))
      assert.deepStrictEqual(short(yield* Fiber.join(small)), [[-2]])
      const waited = instances.batches.findIndex((batch) => batch.includes(-1)) - batchesBefore
      assert.isAtMost(waited, 25)
    })
  })

  describe("with short batches", () => {
    test("gives a busy instance its next batch before it has answered, but not a third", function*() {
      const instances = yield* slow(5)
      const { start } = yield* openQueue(instances, { maxBatchSize: 1 })
      const fibers = yield* Effect.forEach([0, 1, 2, 3, 4, 5], (value) => start([value]))
      yield* settled
      assert.deepStrictEqual(instances.batches, [[0]])
      yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(instances.batches, [[0], [1], [2], [3]])
      assert.deepStrictEqual(instances.running, [1])
      yield* TestClock.adjust("20 millis")
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(answers.map(short), [[[0]], [[2]], [[4]], [[6]], [[8]], [[10]]])
    })
  })

  describe("with an instance for lone rows", () => {
    const withSolo = Effect.gen(function*() {
      const gate = yield* makeGate
      const [shared, alone] = [yield* makeInstances(2, gate.answer), yield* makeInstances(1, gate.answer)]
      const solo = alone.hosted.instances().map((instance) => ({ ...instance, solo: true }))
      const hosted = { ...shared.hosted, instances: () => [...shared.hosted.instances(), ...solo] }
      return { alone, gate, shared, queue: yield* openQueue({ ...shared, hosted }) }
    })

    test("gives it a row that finds all idle, and nothing while anything is computed", function*() {
      const { alone, gate, queue, shared } = yield* withSolo
      const fibers = [yield* queue.start([1])]
      yield* settled
      fibers.push(yield* queue.start([2]), yield* queue.start([3]), yield* queue.start([4]))
      yield* settled
      assert.deepStrictEqual([alone.batches, shared.batches], [[[1]], [[2], [3]]])
      yield* gate.open
      assert.deepStrictEqual((yield* Effect.forEach(fibers, Fiber.join)).map(short), [[[2]], [[4]], [[6]], [[8]]])
      assert.deepStrictEqual(alone.batches, [[1]])
    })

    test("gives several rows to the others", function*() {
      const { alone, gate, queue } = yield* withSolo
      const caller = yield* queue.start([1, 2])
      yield* gate.open
      assert.deepStrictEqual(short(yield* Fiber.join(caller)), [[2], [4]])
      assert.deepStrictEqual(alone.batches, [])
    })
  })
})
