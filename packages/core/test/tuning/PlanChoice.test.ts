import { assert, describe, it } from "@effect/vitest"
import { choosePlan, type FixedPlan } from "@sluice/core/tuning/PlanChoice"
import type { PlanPoint } from "@sluice/core/tuning/PlanTable"
import * as fc from "fast-check"

const free: FixedPlan = { instances: undefined, threads: undefined, maxBatchSize: undefined }

/** instances, threads, batch, cost, items a second, milliseconds alone. */
const point = (
  [instances, threads, batch, cost, itemsPerSecond, aloneMs]: readonly [number, number, number, number, number, number]
): PlanPoint => ({ instances, threads, batch, cost, itemsPerSecond, aloneMs })

/** A transformer on two cores: batches gain nothing, one thread each wins under load, two threads win alone. */
const transformer = [
  point([2, 1, 1, 16, 250, 7.7]),
  point([2, 1, 2, 16, 252, 15.2]),
  point([2, 1, 4, 16, 248, 31]),
  point([2, 1, 1, 128, 30, 60]),
  point([2, 1, 2, 128, 29, 125]),
  point([1, 2, 1, 16, 190, 4.6]),
  point([1, 2, 2, 16, 195, 9]),
  point([1, 2, 4, 16, 150, 25]),
  point([1, 2, 1, 128, 26, 36]),
  point([1, 2, 2, 128, 25, 78])
]

/** A model with a fixed cost for each call: the larger the batch the better. */
const fixedCost = [1, 2, 4, 8, 16].flatMap((batch) => [
  point([2, 1, batch, 1, 2 * batch * 1000 / (5 + 0.05 * batch), 5 + 0.05 * batch]),
  point([1, 2, batch, 1, batch * 1000 / (5 + 0.04 * batch), 5 + 0.04 * batch])
])

describe("choosePlan", () => {
  it.each(
    [
      ["one thread each for a transformer under load", transformer, "throughput", free, [2, 1, 1]],
      ["the same where nothing is asked for", transformer, "auto", free, [2, 1, 1]],
      ["all threads for its lone text", transformer, "latency", free, [1, 2, 1]],
      ["large batches where a call has a fixed cost", fixedCost, "throughput", free, [2, 1, 16]],
      ["the instances that are fixed", transformer, "throughput", { ...free, instances: 1 }, [1, 2, 1]],
      ["the threads that are fixed", fixedCost, "throughput", { ...free, threads: 2 }, [1, 2, 16]],
      ["the batch that is fixed, measured or not", fixedCost, "latency", { ...free, maxBatchSize: 5 }, [2, 1, 5]]
    ] as const
  )("gives %s", (_, points, optimizeFor, fixed, expected) => {
    const choice = choosePlan(points, optimizeFor, fixed)
    assert.deepStrictEqual([choice?.instances, choice?.threads, choice?.maxBatchSize], [...expected])
  })

  it("has no plan where nothing was measured that fits what is fixed", () => {
    assert.isUndefined(choosePlan(transformer, "throughput", { ...free, instances: 3 }))
    assert.isUndefined(choosePlan([], "throughput", free))
  })

  it("lets no difference below a twentieth decide: the faster when alone is had for it", () => {
    const even = [point([2, 1, 1, 1, 100, 10]), point([1, 2, 1, 1, 97, 6])]
    assert.strictEqual(choosePlan(even, "throughput", free)?.instances, 1)
    const apart = [point([2, 1, 1, 1, 100, 10]), point([1, 2, 1, 1, 90, 6])]
    assert.strictEqual(choosePlan(apart, "throughput", free)?.instances, 2)
  })

  it("weighs short and long rows alike, though there are fewer of the long in a second", () => {
    const rows = [
      point([2, 1, 1, 8, 1000, 1]),
      point([2, 1, 1, 256, 10, 100]),
      point([1, 2, 1, 8, 900, 1]),
      point([1, 2, 1, 256, 20, 100])
    ]
    assert.strictEqual(choosePlan(rows, "throughput", free)?.instances, 1)
  })

  it("says what decided", () => {
    assert.match(
      choosePlan(transformer, "throughput", free)?.reason ?? "",
      /^2 instances of 1 thread: 86\.6 items\/s, against 1 instance of 2 threads .*; batches above 1 gain less than 5 %$/
    )
    assert.match(choosePlan(transformer, "latency", free)?.reason ?? "", /12\.9 ms for one alone, against .* 21\.5 ms/)
    assert.match(choosePlan(fixedCost, "throughput", free)?.reason ?? "", /up to 16, the largest .* still gain/)
  })

  const figure = fc.double({ min: 0.01, max: 10_000, noNaN: true })
  const tables = fc.array(
    fc.record({
      instances: fc.integer({ min: 1, max: 4 }),
      threads: fc.integer({ min: 1, max: 4 }),
      batch: fc.constantFrom(1, 2, 4, 8),
      cost: fc.constantFrom(8, 128),
      itemsPerSecond: figure,
      aloneMs: figure
    }),
    { minLength: 1, maxLength: 40 }
  ).map((points) => // One figure for each point
  [...new Map(points.map((p) => [`${p.instances} ${p.threads} ${p.batch} ${p.cost}`, p])).values()])
  const goals = fc.constantFrom("auto" as const, "throughput" as const, "latency" as const)

  it("chooses what was measured, whatever the order of the points and the speed of the machine", () => {
    fc.assert(fc.property(tables, goals, (points, goal) => {
      const choice = choosePlan(points, goal, free)
      const ofLayout = points.filter((p) => p.instances === choice?.instances && p.threads === choice.threads)
      assert.isTrue(ofLayout.some((p) => p.batch === choice?.maxBatchSize))
      assert.deepStrictEqual(choosePlan(points.toReversed(), goal, free)?.maxBatchSize, choice?.maxBatchSize)
    }))
  })

  it("computes at least nineteen twentieths of the best rate where throughput is asked for", () => {
    const single = tables.map((points) => points.filter((p) => p.cost === 8)).filter((points) => points.length > 0)
    fc.assert(fc.property(single, (points) => {
      const choice = choosePlan(points, "throughput", free)
      const upTo = points.filter((p) =>
        p.instances === choice?.instances && p.threads === choice.threads && p.batch <= choice.maxBatchSize
      )
      const best = Math.max(...points.map((p) => p.itemsPerSecond))
      // Within the tolerance for the layout, and again for the batch
      assert.isAtLeast(Math.max(...upTo.map((p) => p.itemsPerSecond)), best * 0.95 ** 2)
    }))
  })

  it("keeps to what is fixed", () => {
    fc.assert(fc.property(tables, goals, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 99 }), (...args) => {
      const [points, goal, instances, maxBatchSize] = args
      const choice = choosePlan(points, goal, { ...free, instances, maxBatchSize })
      if (choice === undefined) return assert.isTrue(points.every((p) => p.instances !== instances))
      assert.deepStrictEqual([choice.instances, choice.maxBatchSize], [instances, maxBatchSize])
    }))
  })
})
