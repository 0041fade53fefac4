/**
 * Rows as the planner sees them, numbered as they arrive, and what every batch of them has to keep.
 */
import { assert } from "@effect/vitest"
import type { BatchLimits, Plannable } from "@sluice/core/batching/PlanBatch"
import type { Priority } from "@sluice/domain/PredictRequest"
import { canStack } from "@sluice/plugin-sdk/TensorRows"
import * as fc from "fast-check"

export interface Row extends Plannable {
  readonly id: number
  readonly length: number
}

export type RowShape = Omit<Row, "id" | "inputs" | "arrivedMs">

export const priorities: ReadonlyArray<Priority> = ["high", "normal", "low"]

export const rowOf = (id: number, shape: Partial<RowShape> = {}): Row => {
  const { consistent = false, cost = 1, dueMs = 0, length = 1, priority = "normal" } = shape
  const inputs = { ids: { datatype: "INT32" as const, shape: [1, length], data: new Int32Array(length) } }
  return { id, inputs, cost, priority, consistent, arrivedMs: id, dueMs, length }
}

export const ids = (rows: ReadonlyArray<Row>): ReadonlyArray<number> => rows.map((row) => row.id)

export const shapes: fc.Arbitrary<RowShape> = fc.record({
  cost: fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 1, max: 20 })),
  priority: fc.constantFrom(...priorities),
  length: fc.integer({ min: 1, max: 2 }),
  consistent: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  dueMs: fc.oneof(fc.integer({ min: 0, max: 10 }), fc.constant(Infinity))
})

export const noLimits: BatchLimits = {
  maxBatchSize: 100,
  maxBatchCost: Infinity,
  maxPaddedWaste: 1,
  latencyTargetMs: Infinity,
  predictMs: () => 0
}

export const limitsArbitrary: fc.Arbitrary<BatchLimits> = fc.record({
  maxBatchSize: fc.integer({ min: 1, max: 12 }),
  maxBatchCost: fc.oneof(fc.integer({ min: 1, max: 80 }), fc.constant(Infinity)),
  maxPaddedWaste: fc.constantFrom(0, 0.1, 0.25, 0.5, 1),
  latencyTargetMs: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.constant(Infinity)),
  predictMs: fc.constant((cost: number) => 5 + cost / 2)
})

export const paddings = fc.constantFrom<Readonly<Record<string, number>>>({}, { ids: 0 })

/** Every limit is kept, but by a row that is alone. */
export const assertWithin = (
  batch: ReadonlyArray<Row>,
  limits: BatchLimits,
  padding: Readonly<Record<string, number>>
): void => {
  if (batch.length <= 1) return
  const padded = batch.length * Math.max(...batch.map(({ cost }) => cost))
  const waste = padded - batch.reduce((sum, { cost }) => sum + cost, 0)
  assert.isAtMost(batch.length, limits.maxBatchSize)
  assert.isAtMost(padded, limits.maxBatchCost)
  assert.isAtMost(waste, limits.maxPaddedWaste * padded + 1e-9)
  assert.isAtMost(limits.predictMs(padded), limits.latencyTargetMs)
  assert.isFalse(batch.some(({ consistent }) => consistent))
  const stackable = limits.maxPaddedWaste === 0 ? {} : padding
  assert.isTrue(batch.every(({ inputs }) => canStack(batch[0]!.inputs, inputs, stackable)))
}
