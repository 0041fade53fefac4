/**
 * By how much requests are finished later than was predicted on their arrival: what admission multiplies predictions with.
 * The cost model knows what runs take; it does not know what else the machine does, nor how rows were spread over batches.
 */

/** A request that was predicted to be answered sooner says little: what it takes is mostly not queueing. Milliseconds. */
const leastPredictedMs = 20

/** How much one request counts; the later it was, the sooner it is believed. */
const gainLater = 1 / 16
const gainSooner = 1 / 64

/** However late requests are, more than half of what would be in time by the model is never refused. */
const most = 2

export class Lateness {
  #log = 0

  /** 1 where predictions hold, or are too long; at most 2. */
  get factor(): number {
    return Math.min(most, Math.max(1, Math.exp(this.#log)))
  }

  /** A request was predicted to be finished so long after its arrival, and was. */
  observe(predictedMs: number, tookMs: number): void {
    if (!(predictedMs >= leastPredictedMs && tookMs > 0)) return
    const log = Math.min(Math.log(most), Math.max(-Math.log(most), Math.log(tookMs / predictedMs)))
    this.#log += (log - this.#log) * (log > this.#log ? gainLater : gainSooner)
  }
}
