/**
 * Which of the waiting rows form the next batch. Pure: the fiber around it moves the data and the time.
 */
import type { Priority } from "@sluice/domain/PredictRequest"
import type { TensorMap } from "@sluice/domain/Tensor"
import { canStack } from "@sluice/plugin-sdk/TensorRows"

export interface BatchLimits {
  /** Items. */
  readonly maxBatchSize: number
  /** Padded cost: items × the costliest of them. */
  readonly maxBatchCost: number
}

/** A row as the planner sees it. */
export interface Plannable {
  readonly inputs: TensorMap
  readonly cost: number
  readonly priority: Priority
}

const rank: Readonly<Record<Priority, number>> = { high: 0, normal: 1, low: 2 }

/** By priority, then by arrival; `Array.prototype.sort` is stable, and `waiting` is in order of arrival. */
const inOrder = <Row extends Plannable>(waiting: ReadonlyArray<Row>): ReadonlyArray<Row> =>
  waiting.every((row) => row.priority === waiting[0]!.priority)
    ? waiting
    : [...waiting].sort((a, b) => rank[a.priority] - rank[b.priority])

/**
 * Takes the first waiting row, and then each that fits beside those taken: stackable, and within both limits. A row
 * that alone is above `maxBatchCost` goes alone. `rest` keeps the order of arrival.
 */
export const planBatch = <Row extends Plannable>(
  waiting: ReadonlyArray<Row>,
  limits: BatchLimits,
  padding: Readonly<Record<string, number>> = {}
): { readonly batch: ReadonlyArray<Row>; readonly rest: ReadonlyArray<Row> } => {
  const batch: Array<Row> = []
  const taken = new Set<Row>()
  let longest = 0
  for (const row of inOrder(waiting)) {
    if (batch.length >= limits.maxBatchSize) break
    const cost = Math.max(longest, row.cost) * (batch.length + 1)
    const first = batch[0]
    if (first !== undefined && (cost > limits.maxBatchCost || !canStack(first.inputs, row.inputs, padding))) continue
    longest = Math.max(longest, row.cost)
    batch.push(row)
    taken.add(row)
  }
  // Mostly the first rows were taken; a long queue is not searched for them again at every batch.
  const isPrefix = batch.every((row, i) => row === waiting[i])
  return { batch, rest: isPrefix ? waiting.slice(batch.length) : waiting.filter((row) => !taken.has(row)) }
}
