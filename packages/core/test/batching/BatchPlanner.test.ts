import { assert, describe, it } from "@effect/vitest"
import { type BatchLimits, planBatch, type Plannable } from "@sluice/core/batching/BatchPlanner"
import type { Priority } from "@sluice/domain/PredictRequest"
import { canStack, stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as fc from "fast-check"

interface Row extends Plannable {
  readonly id: number
  readonly length: number
}

const tokens = (length: number) => ({
  ids: { datatype: "INT32" as const, shape: [1, length], data: new Int32Array(length) }
})

const rowOf = (id: number, cost: number, priority: Priority = "normal", length = 1): Row => ({
  id,
  cost,
  priority,
  length,
  inputs: tokens(length)
})

const priorities: ReadonlyArray<Priority> = ["high", "normal", "low"]

const waitingArbitrary = fc.array(
  fc.record({
    cost: fc.integer({ min: 1, max: 20 }),
    priority: fc.constantFrom(...priorities),
    length: fc.integer({ min: 1, max: 3 })
  }),
  { maxLength: 40 }
).map((rows) => rows.map(({ cost, length, priority }, id) => rowOf(id, cost, priority, length)))

const limitsArbitrary: fc.Arbitrary<BatchLimits> = fc.record({
  maxBatchSize: fc.integer({ min: 1, max: 12 }),
  maxBatchCost: fc.oneof(fc.integer({ min: 1, max: 80 }), fc.constant(Infinity))
})

const paddingArbitrary = fc.constantFrom<Readonly<Record<string, number>>>({}, { ids: 0 })

const ids = (rows: ReadonlyArray<Row>) => rows.map((row) => row.id)

const property = (
  holds: (
    waiting: ReadonlyArray<Row>,
    limits: BatchLimits,
    padding: Readonly<Record<string, number>>,
    planned: { readonly batch: ReadonlyArray<Row>; readonly rest: ReadonlyArray<Row> }
  ) => void
) =>
() =>
  fc.assert(
    fc.property(waitingArbitrary, limitsArbitrary, paddingArbitrary, (waiting, limits, padding) =>
      holds(waiting, limits, padding, planBatch(waiting, limits, padding))),
    { numRuns: 300 }
  )

/** Whether a row may join a batch: by its shape, and within both limits. */
const fits = (
  batch: ReadonlyArray<Row>,
  row: Row,
  limits: BatchLimits,
  padding: Readonly<Record<string, number>>
): boolean =>
  batch.length < limits.maxBatchSize &&
  Math.max(...batch.map(({ cost }) => cost), row.cost) * (batch.length + 1) <= limits.maxBatchCost &&
  batch.every(({ inputs }) => canStack(inputs, row.inputs, padding))

describe("planBatch", () => {
  it(
    "takes each row or leaves it, and leaves those it leaves in order of arrival",
    property((waiting, _, __, { batch, rest }) => {
      assert.deepStrictEqual([...ids(batch), ...ids(rest)].sort((a, b) => a - b), ids(waiting))
      assert.deepStrictEqual(ids(rest), ids(rest).toSorted((a, b) => a - b))
    })
  )

  it(
    "never gives an empty batch while a row waits, so that every row is served in the end",
    property((waiting, limits, padding) => {
      const served: Array<number> = []
      let left = waiting
      while (left.length > 0) {
        const { batch, rest } = planBatch(left, limits, padding)
        assert.isAbove(batch.length, 0)
        served.push(...ids(batch))
        left = rest
      }
      assert.deepStrictEqual(served.toSorted((a, b) => a - b), ids(waiting))
    })
  )

  it(
    "keeps within both limits, but for a row that is above the cost alone, which goes alone",
    property((_, { maxBatchCost, maxBatchSize }, __, { batch }) => {
      assert.isAtMost(batch.length, maxBatchSize)
      if (batch.length > 1) assert.isAtMost(Math.max(...batch.map(({ cost }) => cost)) * batch.length, maxBatchCost)
    })
  )

  it(
    "leaves no row behind that would have fitted",
    property((_, limits, padding, { batch, rest }) => {
      assert.deepStrictEqual(ids(rest.filter((row) => fits(batch, row, limits, padding))), [])
    })
  )

  it(
    "starts with the first row of the highest priority that waits",
    property((waiting, _, __, { batch }) => {
      const highest = priorities.find((priority) => waiting.some((row) => row.priority === priority))
      assert.strictEqual(batch[0]?.id, waiting.find((row) => row.priority === highest)?.id)
    })
  )

  it(
    "serves equals first come, first served",
    property((_, __, ___, { batch, rest }) => {
      for (const left of rest) {
        const overtaking = batch.filter((row) =>
          row.id > left.id && row.priority === left.priority && row.cost === left.cost && row.length === left.length
        )
        assert.deepStrictEqual(ids(overtaking), [])
      }
    })
  )

  it(
    "forms batches that stack",
    property((_, __, padding, { batch }) => {
      if (batch.length === 0) return
      const { ids: stacked } = stackRows(batch.map(({ inputs }) => inputs), padding)
      assert.deepStrictEqual(stacked?.shape, [batch.length, Math.max(...batch.map(({ length }) => length))])
    })
  )

  const limits = { maxBatchSize: 3, maxBatchCost: 12 }

  it.each([
    ["the first rows up to the size", [rowOf(0, 1), rowOf(1, 1), rowOf(2, 1), rowOf(3, 1)], [0, 1, 2]],
    ["a high priority before those who came earlier", [rowOf(0, 1, "low"), rowOf(1, 1), rowOf(2, 1, "high")], [
      2,
      1,
      0
    ]],
    ["the costliest row times the number of rows", [rowOf(0, 4), rowOf(1, 4), rowOf(2, 4), rowOf(3, 4)], [0, 1, 2]],
    ["only rows that do not make the others too costly", [rowOf(0, 2), rowOf(1, 7), rowOf(2, 2)], [0, 2]],
    ["a row above the cost alone", [rowOf(0, 50), rowOf(1, 1)], [0]],
    ["rows of one shape where nothing pads", [
      rowOf(0, 1, "normal", 2),
      rowOf(1, 1, "normal", 3),
      rowOf(2, 1, "normal", 2)
    ], [0, 2]]
  ])("takes %s", (_, waiting, batch) => {
    assert.deepStrictEqual(ids(planBatch(waiting, limits).batch), batch)
  })

  it("takes rows of unequal length together where there is padding", () => {
    const waiting = [rowOf(0, 1, "normal", 2), rowOf(1, 1, "normal", 3)]
    assert.deepStrictEqual(ids(planBatch(waiting, limits, { ids: 0 }).batch), [0, 1])
  })
})
