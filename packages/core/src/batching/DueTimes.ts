/**
 * When the rows of a request are due: their order among the rows of others.
 */

/**
 * A row is due this long after its arrival at the latest: who allows more time lets more urgent rows pass, but only so many.
 */
const patienceMs = 1_000

/**
 * The share of its time that a row may wait: the more the longer it runs itself, so that a short text is not held up by long
 * ones that came just before it. The order of highest response ratio (Brinch Hansen 1971), with bounds.
 */
const leastShare = 0.1
const wholeShareRunMs = 75

/** When a row is due that is alone in its request, and runs for so long: at its deadline at the latest. */
export const dueTime = (arrivedMs: number, deadlineMs: number, runMs: number): number => {
  const share = leastShare + (1 - leastShare) * Math.min(1, runMs / wholeShareRunMs)
  return arrivedMs + share * Math.min(deadlineMs - arrivedMs, patienceMs)
}

/**
 * One due time a row, in milliseconds on the clock of its arguments, never falling.
 *
 * Rows of one request are due one after another, as if it had sent them at the pace of a fair share; others' rows come in
 * between. Virtual time as in start-time fair queueing (Goyal, Vin, Cheng: SIGCOMM 1996), put on top of earliest deadline
 * first: a request of one row is due within its deadline, or within a second. The share is 1 / (1 + sharers)²: whatever the number of large requests,
 * their shares sum to less than two thirds (Σ 1 / (1 + k)² = 0.64), so that single rows find room between them.
 */
export const dueTimes = (input: {
  /** `Infinity` for none. */
  readonly deadlineMs: number
  readonly arrivedMs: number
  readonly costs: ReadonlyArray<number>
  /** The time of the first row's run, alone. */
  readonly runMs: number
  /** What a unit of cost takes of the whole version's time: see `paceMs`. */
  readonly msPerCost: number
  /** Requests with more than one batch of rows waiting, itself included. */
  readonly sharers: number
}): ReadonlyArray<number> => {
  const { arrivedMs, costs, deadlineMs, msPerCost, runMs, sharers } = input
  const firstMs = dueTime(arrivedMs, deadlineMs, runMs)
  if (costs.length === 1) return [firstMs]
  const pace = msPerCost * (1 + sharers) ** 2
  let before = 0
  return costs.map((cost) => {
    const dueMs = firstMs + before * pace
    before += cost
    return dueMs
  })
}

/**
 * What a unit of cost takes in a full batch, its share of the fixed cost included, over all instances: milliseconds. The
 * cost model's slope alone would let a model with a high fixed cost send a whole request at once.
 */
export const paceMs = (predictMs: (paddedCost: number) => number, batchCost: number, instances: number): number =>
  predictMs(batchCost) / Math.max(batchCost, Number.MIN_VALUE) / Math.max(1, instances)
