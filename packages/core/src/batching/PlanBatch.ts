/**
 * Which of the waiting rows form the next batch. Pure, and plain code: it runs once a batch on the event loop.
 *
 * The row that is due first leads and is always in the batch, so that the costliest row waits no longer than any other.
 * Its neighbours are those of the nearest cost among the next rows in order: padding to the longest is work for nothing.
 */
import type { Priority } from "@sluice/domain/PredictRequest"
import type { TensorMap } from "@sluice/domain/Tensor"
import { canStack } from "@sluice/plugin-sdk/TensorRows"
import { NearestCost } from "./NearestCost.ts"

/** A row as the planner sees it. */
export interface Plannable {
  readonly inputs: TensorMap
  /** Tokens for text, 1 by default. */
  readonly cost: number
  readonly priority: Priority
  /** Must be computed in a batch of its own. */
  readonly consistent: boolean
  /** Monotonic, in milliseconds. */
  readonly arrivedMs: number
  /** The order within a priority, earliest first (see `dueTimes`). */
  readonly dueMs: number
}

/** Each limit but the size may be exceeded by a row that is alone in its batch. */
export interface BatchLimits {
  /** Items. */
  readonly maxBatchSize: number
  /** Padded cost: items × the costliest of them. */
  readonly maxBatchCost: number
  /** The share of the padded cost that may be padding, 0..1. 0: only rows of equal cost and shape together. */
  readonly maxPaddedWaste: number
  /** No batch is predicted to take longer, in milliseconds; `Infinity` for none. */
  readonly latencyTargetMs: number
  /** The cost model, in milliseconds; never falls as the cost rises. */
  readonly predictMs: (paddedCost: number) => number
}

/** The rows of one priority in their order. */
export interface Level<Row> {
  readonly length: number
  at(place: number): Row
}

export interface BatchPlan<Row> {
  readonly rows: Array<Row>
  /** Their places in each level, ascending; undefined when they are the first rows of the level that leads. */
  readonly places: ReadonlyArray<Array<number>> | undefined
}

/** So many batches in a row may be led by other levels while a lower one waits. */
export const maxPassedBy = 8

const mostLooks = 512

/** How many rows the planner looks at for a batch. */
export const lookahead = (maxBatchSize: number): number => Math.min(mostLooks, Math.max(64, 4 * maxBatchSize))

/**
 * The level whose first row leads the next batch: the highest one that waits, or one that was passed by too often and whose
 * first row waits longer than that one's, so that nobody is answered sooner for asking at a lower priority. -1 when nothing
 * waits. `passedBy` counts the batches in a row that other levels led while it waited.
 */
export const leadingLevel = (
  levels: ReadonlyArray<Level<Pick<Plannable, "arrivedMs">>>,
  passedBy: ReadonlyArray<number>
): number => {
  let lead = -1
  for (let level = 0; level < levels.length; level++) {
    const waiting = levels[level]!
    if (waiting.length === 0) continue
    const isOverdue = lead >= 0 && passedBy[level]! >= maxPassedBy &&
      waiting.at(0).arrivedMs <= levels[lead]!.at(0).arrivedMs
    if (lead === -1 || isOverdue) lead = level
  }
  return lead
}

const nothingPads: Readonly<Record<string, number>> = {}

/** A batch as it grows from the row that leads it. */
class GrowingBatch<Row extends Plannable> {
  readonly rows: Array<Row>
  readonly #leader: Row
  readonly #limits: BatchLimits
  readonly #padding: Readonly<Record<string, number>>
  #longest: number
  #sum: number

  constructor(leader: Row, limits: BatchLimits, padding: Readonly<Record<string, number>>) {
    this.rows = [leader]
    this.#leader = leader
    this.#limits = limits
    this.#padding = limits.maxPaddedWaste > 0 ? padding : nothingPads
    this.#longest = leader.cost
    this.#sum = leader.cost
  }

  /** Whether one more row of no more than the longest's cost is within size, cost and latency target. */
  hasRoom(): boolean {
    return !this.#leader.consistent && this.#isWithin(this.#longest)
  }

  /** Adds the row if every limit is kept. */
  add(row: Row): boolean {
    const { maxPaddedWaste } = this.#limits
    const longest = Math.max(this.#longest, row.cost)
    const sum = this.#sum + row.cost
    const padded = longest * (this.rows.length + 1)
    const isWasteBound = maxPaddedWaste > 0
      ? padded - sum <= maxPaddedWaste * padded
      : row.cost === this.#leader.cost
    if (row.consistent || !isWasteBound || !this.#isWithin(longest)) return false
    if (!canStack(this.#leader.inputs, row.inputs, this.#padding)) return false
    this.#longest = longest
    this.#sum = sum
    this.rows.push(row)
    return true
  }

  #isWithin(longest: number): boolean {
    const { latencyTargetMs, maxBatchCost, maxBatchSize, predictMs } = this.#limits
    const items = this.rows.length + 1
    const padded = longest * items
    return items <= maxBatchSize && padded <= maxBatchCost &&
      (latencyTargetMs === Infinity || predictMs(padded) <= latencyTargetMs)
  }
}

/** Used by one plan at a time. */
const nearest = new NearestCost(mostLooks)

/**
 * Plans a batch led by the first row of the level `lead`, which is not empty. Neighbours come from that level first, then
 * from the others, highest first, in free places.
 */
export const planBatch = <Row extends Plannable>(
  levels: ReadonlyArray<Level<Row>>,
  lead: number,
  limits: BatchLimits,
  padding: Readonly<Record<string, number>>
): BatchPlan<Row> => {
  const own = levels[lead]!
  const leader = own.at(0)
  const batch = new GrowingBatch(leader, limits, padding)
  const { rows } = batch
  // Mostly the next rows are like the leader: nothing is sorted then.
  while (batch.hasRoom() && rows.length < own.length) {
    const row = own.at(rows.length)
    if (row.cost !== leader.cost || !batch.add(row)) break
  }
  const first = rows.length
  const places = levels.map((): Array<number> => [])
  let looks = lookahead(limits.maxBatchSize) - first
  for (let step = -1; step < levels.length && batch.hasRoom() && looks > 0; step++) {
    if (step === lead) continue
    const at = step === -1 ? lead : step
    const level = levels[at]!
    const start = at === lead ? first : 0
    const end = Math.min(level.length, start + looks)
    looks -= end - start
    nearest.fill(level, start, end, leader.cost, limits.maxPaddedWaste > 0 ? Infinity : 0)
    for (let place = nearest.next(); place >= 0 && batch.hasRoom(); place = nearest.next()) {
      if (batch.add(level.at(place))) places[at]!.push(place)
    }
  }
  if (rows.length === first) return { rows, places: undefined }
  for (const taken of places) taken.sort((a, b) => a - b)
  for (let place = 0; place < first; place++) places[lead]!.splice(place, 0, place)
  return { rows, places }
}
