/**
 * By how much requests are finished later than was predicted on their arrival: what admission multiplies predictions with.
 * The cost model knows what runs take; it does not know what else the machine does, nor how rows were spread over batches.
 */

/** A request that was predicted to be answered sooner says little: what it takes is mostly not queueing. Milliseconds. */
const leastPredictedMs = 20

/** So many of the requests that are admitted at the edge of their time are answered within it. */
const inTime = 0.995

/** How far one request moves the estimate, as a share. */
const step = 0.08

/** However late requests are, a third of what would be in time by the model is never refused. */
const most = 3

/**
 * Follows a quantile of the ratio by stochastic approximation (Robbins and Monro 1951): up by much for each request that
 * was later, down by little for each that was not.
 */
export class Lateness {
  #log = 0

  /** 1 where predictions hold, or are too long; at most 3. */
  get factor(): number {
    return Math.exp(this.#log)
  }

  /** A request was predicted to be finished so long after its arrival, and was; or had no answer by then. */
  observe(predictedMs: number, tookMs: number): void {
    if (!(predictedMs >= leastPredictedMs && tookMs > 0)) return
    const move = Math.log(tookMs / predictedMs) > this.#log ? step * inTime : -step * (1 - inTime)
    this.#log = Math.min(Math.log(most), Math.max(0, this.#log + move))
  }
}
