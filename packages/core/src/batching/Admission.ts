/**
 * Whether rows that arrive now would be finished in time, and when a caller who is refused should come again.
 */
import type { CostModel } from "./CostModel.ts"

/** What is between now and the end of everything that was admitted. */
export interface Load {
  /** Rows that will be computed first, and their summed cost. */
  readonly rowsAhead: number
  readonly costAhead: number
  /** The predicted rest of what the instances compute now, summed, in milliseconds. */
  readonly underWayMs: number
  readonly instances: number
  /** How many items a batch holds now. */
  readonly batchItems: number
  readonly model: Pick<CostModel, "fixedMs" | "perCostMs" | "known">
}

/**
 * What a prediction is multiplied with before it is held against the time left. Work is late more often than early:
 * batches are not always full, padding is not foreseen, and other work takes the processor, but nothing takes it less.
 */
const safetyFactor = 1.25

/** How long a batch is taken to run before anything is known, in milliseconds. */
const unknownBatchMs = 50

const batchesOf = (rows: number, load: Load): number => Math.ceil(rows / Math.max(1, load.batchItems))

const workMs = (batches: number, cost: number, { model }: Load): number =>
  batches * model.fixedMs + cost * model.perCostMs

/**
 * When rows that arrive now would be finished, in milliseconds from now; 0 while the model knows nothing.
 *
 * The work before the last batch is shared by the instances; the last batch runs on one of them.
 */
export const predictedFinishMs = (load: Load, rows: number, cost: number): number => {
  if (!load.model.known || rows === 0) return 0
  const own = batchesOf(rows, load)
  const lastMs = workMs(1, cost / own, load)
  const allMs = load.underWayMs + workMs(batchesOf(load.rowsAhead + rows, load), load.costAhead + cost, load)
  return (allMs - lastMs) / Math.max(1, load.instances) + lastMs
}

/** How long a row that arrives now would wait for its batch to begin, in milliseconds; 0 while the model knows nothing. */
export const predictedWaitMs = (load: Load): number =>
  load.model.known
    ? (load.underWayMs + workMs(batchesOf(load.rowsAhead, load), load.costAhead, load)) / Math.max(1, load.instances)
    : 0

/** An idle version refuses only what would take so many times as long as there is. */
const hopeless = 4

/**
 * Whether rows that have `remainingMs` left should be refused now. `lateness` is by how many times requests take longer
 * than predicted; it is the waiting that does, so an idle version is not held to it. There only what is beyond hope is
 * refused: nothing but a measured run can mend a model that is wrong.
 */
export const isTooLate = (
  load: Load,
  rows: number,
  cost: number,
  remainingMs: number,
  lateness = 1
): boolean => {
  if (remainingMs <= 0) return true
  const finishMs = predictedFinishMs(load, rows, cost)
  const isIdle = load.rowsAhead === 0 && load.underWayMs === 0
  if (isIdle) return rows > load.batchItems && finishMs > hopeless * remainingMs
  return finishMs * safetyFactor * lateness > remainingMs
}

/**
 * How long a refused caller is told to wait, in whole milliseconds: until what is admitted is done, 20 % more or less by
 * `random` (0..1), so that those refused together do not come again together. At least 10.
 */
export const retryAfterMs = (load: Load, random: number): number => {
  const batches = batchesOf(load.rowsAhead, load)
  const queuedMs = load.model.known ? workMs(batches, load.costAhead, load) : batches * unknownBatchMs
  const drainMs = (load.underWayMs + queuedMs) / Math.max(1, load.instances)
  return Math.max(10, Math.ceil(drainMs * (0.8 + 0.4 * random)))
}
