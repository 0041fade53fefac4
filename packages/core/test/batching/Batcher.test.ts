import { assert, describe, it } from "@effect/vitest"
import { Batcher, type BatchRow, type QueueOptions, type RowResult } from "@sluice/core/batching/Batcher"
import { VersionMeters } from "@sluice/core/telemetry/VersionMeters"
import { InstanceLost } from "@sluice/domain/Errors"
import type { Priority } from "@sluice/domain/PredictRequest"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import {
  doubled,
  failure,
  type Instances,
  makeGate,
  makeInstances,
  names,
  rowInputs,
  signature,
  tensor,
  valuesOf
} from "./Instances.ts"

const rowOf = (...values: ReadonlyArray<number>): BatchRow => ({ inputs: rowInputs(...values), cost: values.length })

/** A row's answer in short: its values, or its error's tag. */
const short = (results: ReadonlyArray<RowResult>) =>
  results.map((result) => Result.isSuccess(result) ? valuesOf(result.success.outputs, "y") : result.failure._tag)

const lost = new InstanceLost({ ...names, retryAfterMs: 1 })

const openQueue = Effect.fnUntraced(function*(instances: Instances, options: Partial<QueueOptions> = {}) {
  const batcher = yield* Batcher
  const meters = new VersionMeters(names.model, names.version)
  const queue = yield* batcher.open(instances.hosted, {
    ...names,
    maxBatchSize: 100,
    maxBatchCost: Infinity,
    windowMs: 0,
    queueCapacity: 1000,
    padding: {},
    metrics: meters,
    ...options
  })
  /** Submits rows of one value each, and is on its way when this returns. */
  const start = (values: ReadonlyArray<number>, priority: Priority = "normal") =>
    Effect.forkChild(queue.submit(values.map((value) => rowOf(value)), priority), { startImmediately: true })
  return { ...queue, meters, start }
})

const settled = TestClock.adjust(0)

const scenario = <A, E>(effect: Effect.Effect<A, E, Batcher | Scope.Scope>) =>
  Effect.scoped(effect).pipe(Effect.provide([Batcher.layer, Logger.layer([])]))

const test = (
  name: string,
  body: () => Generator<Effect.Effect<unknown, unknown, Batcher | Scope.Scope>, void, never>
) => it.effect(name, () => scenario(Effect.gen(body)))

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
      yield* TestClock.adjust("6 millis")
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

    test("tells the refused to wait as long as what is queued takes at the pace of the last batch", function*() {
      const { start, submit } = yield* openQueue(
        yield* makeInstances(1, (inputs) => Effect.as(Effect.sleep("100 millis"), doubled(inputs))),
        { queueCapacity: 6, maxBatchSize: 2 }
      )
      const first = yield* start([1, 2])
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(first)
      yield* start([3, 4])
      yield* settled
      yield* start([5, 6, 7, 8, 9, 10])
      const refusal = yield* Effect.flip(submit([rowOf(11)], "normal"))
      assert.strictEqual(refusal.retryAfterMs, 300)
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

    test("fails the rows of a batch that ends in a defect, and goes on", function*() {
      const { submit } = yield* openQueue(
        yield* makeInstances(
          1,
          (inputs) => valuesOf(inputs, "x").includes(2) ? Effect.die("a bug") : Effect.succeed(doubled(inputs))
        )
      )
      assert.deepStrictEqual(short(yield* submit([rowOf(1), rowOf(2)], "normal")), [[2], "ModelFailed"])
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
    test("tells exactly the callers of its batch, which it does not run again", function*() {
      const gate = yield* makeGate
      const instances = yield* makeInstances(
        2,
        (inputs) => valuesOf(inputs, "x").includes(1) ? gate.answer(inputs) : Effect.succeed(doubled(inputs))
      )
      const { start } = yield* openQueue(instances)
      const unlucky = yield* start([1, 2])
      yield* settled
      const lucky = yield* start([3])
      assert.deepStrictEqual(short(yield* Fiber.join(lucky)), [[6]])
      instances.kill(0)
      yield* gate.fail(lost)
      assert.deepStrictEqual(short(yield* Fiber.join(unlucky)), ["InstanceLost", "InstanceLost"])
      assert.deepStrictEqual(short(yield* Fiber.join(yield* start([4]))), [[8]])
      assert.deepStrictEqual(instances.batches, [[1, 2], [3], [4]])
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
      const { start, submit } = yield* Scope.provide(openQueue(yield* makeInstances(1, gate.answer)), scope)
      const computed = yield* start([1])
      yield* settled
      const waiting = yield* start([2, 3])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(short(yield* Fiber.join(computed)), ["InstanceLost"])
      assert.deepStrictEqual(short(yield* Fiber.join(waiting)), ["InstanceLost", "InstanceLost"])
      assert.deepStrictEqual(short(yield* submit([rowOf(4)], "normal")), ["InstanceLost"])
    })
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

  describe("under any interleaving", () => {
    interface Caller {
      readonly arrivesMs: number
      /** Undefined: it stays. */
      readonly leavesAfterMs: number | undefined
      readonly priority: Priority
      readonly poisoned: ReadonlyArray<boolean>
    }

    const callers: fc.Arbitrary<ReadonlyArray<Caller>> = fc.array(
      fc.record({
        arrivesMs: fc.integer({ min: 0, max: 30 }),
        leavesAfterMs: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined, freq: 3 }),
        priority: fc.constantFrom<Priority>("high", "normal", "low"),
        poisoned: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 })
      }),
      { maxLength: 12 }
    )

    const setting = fc.record({
      instances: fc.integer({ min: 1, max: 3 }),
      maxBatchSize: fc.integer({ min: 1, max: 6 }),
      windowMs: fc.constantFrom(0, 4)
    })

    /** Values tell their caller and place; the odd ones are poison. */
    const valueOf = (caller: number, place: number, poison: boolean) => 1000 * caller + 10 * place + (poison ? 1 : 0)

    const run = (all: ReadonlyArray<Caller>, options: { instances: number; maxBatchSize: number; windowMs: number }) =>
      scenario(Effect.gen(function*() {
        const instances = yield* makeInstances(options.instances, (inputs) => {
          const values = valuesOf(inputs, "x")
          const outcome = values.some((value) => value % 2 === 1)
            ? Effect.fail(failure)
            : Effect.succeed(doubled(inputs))
          return Effect.andThen(Effect.sleep(1 + (values[0] ?? 0) % 7), outcome)
        })
        const { meters, submit } = yield* openQueue(instances, options)
        const fibers = yield* Effect.forEach(
          all,
          ({ arrivesMs, leavesAfterMs, poisoned, priority }, caller) =>
            Effect.sleep(arrivesMs).pipe(
              Effect.andThen(submit(poisoned.map((poison, place) => rowOf(valueOf(caller, place, poison))), priority)),
              leavesAfterMs === undefined ? Effect.asSome : Effect.timeoutOption(leavesAfterMs),
              Effect.forkChild
            )
        )
        let overlapping = 0
        for (let ms = 0; ms < 2000; ms++) {
          yield* TestClock.adjust(1)
          overlapping = Math.max(overlapping, ...instances.running)
        }
        const answers = yield* Effect.forEach(fibers, Fiber.join)
        return { answers, batches: instances.batches, overlapping, waiting: meters.waiting }
      }))

    it("gives each caller its own answers, computes nothing twice, and ends with an empty queue", () =>
      fc.assert(
        fc.asyncProperty(callers, setting, async (all, options) => {
          const { answers, batches, overlapping, waiting } = await Effect.runPromise(
            Effect.provide(run(all, options), TestClock.layer())
          )
          assert.strictEqual(waiting, 0)
          assert.isAtMost(overlapping, 1)
          all.forEach(({ leavesAfterMs, poisoned }, caller) => {
            const answer = answers[caller]
            if (answer === undefined || answer._tag === "None") return assert.isDefined(leavesAfterMs)
            const expected = poisoned.map((poison, place) =>
              poison ? "ModelFailed" : [2 * valueOf(caller, place, poison)]
            )
            assert.deepStrictEqual(short(answer.value), expected)
          })
          assert.isAtMost(Math.max(0, ...batches.map((batch) => batch.length)), options.maxBatchSize)
          const clean = batches.filter((batch) => batch.every((value) => value % 2 === 0)).flat()
          assert.strictEqual(new Set(clean).size, clean.length)
        }),
        { numRuns: 40 }
      ), 30_000)
  })
})
