/**
 * How many items a batch may have: it grows only while that raises throughput.
 *
 * A straight line through durations hides that on a CPU four texts together may be slower than one by one. So sizes 1, 2,
 * 4, … are compared: what an item takes at the next size up or down against what it takes at the present one now. The
 * limit starts at 1 and doubles while that pays (as TCP's slow start): wrong small batches cost milliseconds, wrong
 * large ones seconds.
 */
import { CostModel } from "./CostModel.ts"
import { LogRatios } from "./LogRatios.ts"

/** Growing must take this share off an item's time, and what was gained once must stay above the second. */
const growsBy = 0.04
const staysBy = 0.01

/** How sure that must be, in standard errors: in doubt, smaller. */
const growsIfSureBy = 2
const shrinksIfSureBy = 0.5

/** So many full batches before each of the first trials of a larger size, then of a smaller one: a climb is quick. */
const firstAboveEvery = 2
const firstBelowEvery = 8
const firstTrials = 8

/** So many before each later trial; one in four is of the larger size, which may cost more than the smaller one. */
const trialEvery = 32
const largerOnceIn = 4

/** A trial ends without a result after so many batches: rows that are too costly never fill it. */
const trialPatience = 4

/** A batch may cost so many times what as many usual items do: texts of about the same length are one size. */
const costSlack = 1.5

/** Over so many items the usual cost is forgotten. */
const usualOver = 64

/** A neighbour is compared only with a present size that was seen so many batches ago at most. */
const freshWithin = 8

/** To the size above, below, or none. */
type Step = 1 | -1 | 0

export class BatchGrowth {
  /** 1, 2, 4, … and the largest allowed. */
  readonly #sizes: ReadonlyArray<number>
  /** By size: an item's time by its own cost, so that padding counts for a loss and not for work. */
  readonly #perItem: ReadonlyArray<CostModel>
  #at: number
  /** How much longer an item takes at the size above and below the present one. */
  #above = new LogRatios()
  #below = new LogRatios()
  /** The neighbour that is tried now. */
  #trial: Step = 0
  #batchesInTrial = 0
  #fullSinceTrial = 0
  #turns = 0
  #sinceFull = Infinity
  /** What an item costs in the mean; 0 before any ran. */
  #usualCost = 0

  /** `startAt`: a size that was measured to be good; it is the first limit. */
  constructor(maxBatchSize: number, startAt = 1) {
    const sizes: Array<number> = []
    for (let size = 1; size < maxBatchSize; size *= 2) sizes.push(size)
    this.#sizes = [...sizes, Math.max(1, maxBatchSize)]
    this.#at = this.#sizes.findIndex((size) => size >= Math.min(startAt, this.#sizes.at(-1)!))
    this.#perItem = this.#sizes.map(() => new CostModel())
  }

  /** How many items a batch may have now. */
  get limit(): number {
    return this.#sizes[this.#at + this.#trial]!
  }

  /**
   * The padded cost that a batch may have: that of so many usual items. What makes batches pay, weights that are read once
   * for all, is soon used up by long texts, while they hold others up all the longer.
   */
  get costLimit(): number {
    return this.#usualCost === 0 ? Infinity : costSlack * this.limit * this.#usualCost
  }

  /** A batch of so many items, whose costs have that sum, took so many milliseconds. */
  observe(items: number, itemsCost: number, ms: number): void {
    const cost = itemsCost / items
    const share = this.#usualCost === 0 ? 1 : 1 - (1 - 1 / usualOver) ** items
    this.#usualCost += share * (cost - this.#usualCost)
    const size = this.#sizeOf(items)
    if (size < 0) return
    const step = size - this.#at
    this.#sinceFull++
    if (step === 0) {
      this.#sinceFull = 0
      this.#fullSinceTrial++
    }
    const isCompared = Math.abs(step) === 1 && this.#sinceFull <= freshWithin
    if (isCompared) {
      const ratios = step === 1 ? this.#above : this.#below
      ratios.add(ms / items / this.#perItem[this.#at]!.predict(cost))
    }
    this.#perItem[size]!.observe(cost, ms / items)
    if (this.#trial === 0) this.#beginTrial()
    else if (isCompared && step === this.#trial || ++this.#batchesInTrial > trialPatience) this.#endTrial()
    if (isCompared) this.#decide()
  }

  #decide(): void {
    if (this.#above.isBelow(Math.log(1 - growsBy), growsIfSureBy)) this.#moveTo(1)
    else if (this.#below.isBelow(-Math.log(1 - staysBy), shrinksIfSureBy)) this.#moveTo(-1)
  }

  #beginTrial(): void {
    const hasAbove = this.#at < this.#sizes.length - 1
    const hasBelow = this.#at > 0
    const isNewAbove = hasAbove && this.#above.count < firstTrials
    const isNewBelow = hasBelow && this.#below.count < firstTrials
    const every = isNewAbove ? firstAboveEvery : isNewBelow ? firstBelowEvery : trialEvery
    if (this.#fullSinceTrial < every) return
    const isAbove = isNewAbove || hasAbove && !isNewBelow && this.#turns++ % largerOnceIn === 0
    this.#trial = isAbove ? 1 : hasBelow ? -1 : 0
    this.#fullSinceTrial = 0
    this.#batchesInTrial = 0
  }

  #moveTo(step: 1 | -1): void {
    // A rise may have come of lucky trials, so it is tried anew; a fall is kept until new trials outweigh it.
    this.#above = step === 1 ? new LogRatios() : this.#below.inverted()
    this.#below = new LogRatios()
    this.#at += step
    this.#sinceFull = 0
    this.#turns = 0
    this.#endTrial()
  }

  #endTrial(): void {
    this.#trial = 0
    this.#fullSinceTrial = 0
  }

  /** The size that a batch of so many items counts for; -1 for none, when it fills no size to three quarters. */
  #sizeOf(items: number): number {
    const size = this.#sizes.findIndex((size) => size >= items)
    return size >= 0 && items >= 0.75 * this.#sizes[size]! ? size : -1
  }
}
