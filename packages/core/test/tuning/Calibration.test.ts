import { assert, describe, it } from "@effect/vitest"
import type { HostedModel, Instance } from "@sluice/core/execution/HostedModel"
import { calibrate } from "@sluice/core/tuning/Calibration"
import { choosePlan, type Layout } from "@sluice/core/tuning/PlanChoice"
import { ModelFailed } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"

const signature = {
  inputs: [{ name: "x", datatype: "FP32" as const, shape: [-1, -1] }],
  outputs: [],
  batchable: true
}

const probe = (cost: number) => ({
  cost,
  inputs: { x: { datatype: "FP32" as const, shape: [1, cost], data: new Float32Array(cost) } }
})

/** What a run of so many rows of this cost takes on an instance of so many threads, in milliseconds. */
type Duration = (rows: number, cost: number, threads: number) => number

/** An instance that takes as long by the test's clock, one batch after another. */
const instanceOf = Effect.fnUntraced(function*(threads: number, duration: Duration) {
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  let last: Effect.Effect<unknown> = Effect.void
  const instance: Instance = {
    alive: () => true,
    inline: false,
    run: (inputs, settle) => {
      const [rows = 0, cost = 0] = inputs["x"]?.shape ?? []
      const before = last
      const fiber = runFork(Effect.andThen(before, Effect.sleep(duration(rows, cost, threads))))
      last = Effect.callback((resume) => {
        fiber.addObserver(() => resume(Effect.void))
      })
      fiber.addObserver(() => settle(Result.succeed({ outputs: {}, computeMs: 0 })))
    }
  }
  return instance
})

/** A model in as many instances as the layout has; counts those that are open. */
const hosting = (duration: Duration, costs: ReadonlyArray<number>, open: { now: number; layouts: Array<string> }) =>
  Effect.fnUntraced(function*(layout: Layout) {
    open.layouts.push(`${layout.instances} x ${layout.threads}`)
    yield* Effect.acquireRelease(Effect.sync(() => open.now++), () => Effect.sync(() => open.now--))
    assert.strictEqual(open.now, 1, "one layout at a time")
    const instances = yield* Effect.replicateEffect(instanceOf(layout.threads, duration), layout.instances)
    return {
      signature,
      probes: costs.map(probe),
      instances: () => instances,
      onChange: () => {}
    } satisfies HostedModel
  })

/** Lets the test's time pass as fast as it can. */
const passing = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.raceFirst(effect, Effect.forever(Effect.andThen(TestClock.adjust("1 millis"), Effect.yieldNow)))

const layouts: ReadonlyArray<Layout> = [{ instances: 2, threads: 1 }, { instances: 1, threads: 2 }]
const free = { instances: undefined, threads: undefined, maxBatchSize: undefined }

const measured = (duration: Duration, costs: ReadonlyArray<number> = [16], budgetMs = 100_000) =>
  Effect.gen(function*() {
    const open = { now: 0, layouts: new Array<string>() }
    const table = yield* passing(calibrate({ layouts, open: hosting(duration, costs, open), budgetMs }))
    return { table, opened: open.layouts, open: open.now }
  })

describe("calibrate", () => {
  it.effect("measures each layout by itself, alone and with all its instances at the same time", () =>
    Effect.gen(function*() {
      // Two threads halve neither end: 8 ms on one thread, 5 ms on two.
      const { open, opened, table } = yield* measured((rows, _, threads) => rows * (threads === 1 ? 8 : 5))
      assert.deepStrictEqual(opened, ["2 x 1", "1 x 2"])
      assert.strictEqual(open, 0)
      assert.isTrue(table.complete)
      const [first, second] = layouts.map(({ instances }) =>
        table.points.find((point) => point.instances === instances && point.batch === 1)
      )
      assert.strictEqual(first?.aloneMs, 8)
      assert.strictEqual(second?.aloneMs, 5)
      assert.approximately(first?.itemsPerSecond ?? 0, 250, 1)
      assert.approximately(second?.itemsPerSecond ?? 0, 200, 1)
      assert.strictEqual(choosePlan(table.points, "throughput", free)?.instances, 2)
      assert.strictEqual(choosePlan(table.points, "latency", free)?.instances, 1)
    }))

  it.effect("lets batches grow only while that pays, for short rows and long ones apart", () =>
    Effect.gen(function*() {
      // Short rows have a fixed cost to share, long ones have none.
      const { table } = yield* measured((rows, cost) => cost === 16 ? 20 + rows : rows * 40, [16, 96])
      const sizes = (cost: number) =>
        table.points.filter((point) => point.cost === cost && point.instances === 2).map(({ batch }) => batch)
      assert.deepStrictEqual(sizes(16), [1, 2, 4, 8, 16, 32, 64])
      assert.deepStrictEqual(sizes(96), [1, 2, 4])
    }))

  it.effect("measures every layout at least in its smallest batch when time is short, and says that more is missing", () =>
    Effect.gen(function*() {
      const { table } = yield* measured((rows) => 20 + rows, [16, 96], 1)
      assert.isFalse(table.complete)
      assert.deepStrictEqual(
        table.points.map(({ batch, cost, instances }) => [instances, cost, batch]),
        [[2, 16, 1], [2, 96, 1], [1, 16, 1], [1, 96, 1]]
      )
    }))

  it.effect("makes a batch no larger that takes seconds", () =>
    Effect.gen(function*() {
      const { table } = yield* measured((rows) => 1500 + rows)
      assert.deepStrictEqual([...new Set(table.points.map(({ batch }) => batch))], [1])
    }))

  it.effect("says why a model cannot be measured", () =>
    Effect.gen(function*() {
      const error = new ModelFailed({ model: "m", version: "v1" })
      const failing: Instance = {
        alive: () => true,
        inline: false,
        run: (_, settle) => queueMicrotask(() => settle(Result.fail(error)))
      }
      const model: HostedModel = {
        signature,
        probes: [probe(16)],
        instances: () => [failing, failing],
        onChange: () => {}
      }
      const of = (open: Parameters<typeof calibrate>[0]["open"]) =>
        Effect.flip(calibrate({ layouts, open, budgetMs: 1000 }))
      assert.strictEqual((yield* of(() => Effect.succeed(model))).reason, error.message)
      assert.match((yield* of(() => Effect.succeed({ ...model, probes: [] }))).reason, /no row/)
      assert.match((yield* of(() => Effect.fail({ message: "the file holds no model" }))).reason, /holds no model/)
    }))
})
