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

/** What was learnt is half forgotten after so many milliseconds: a machine that was busy then may not be now. */
const halfLifeMs = 5_000

/**
 * Follows a quantile of the ratio by stochastic approximation (Robbins and Monro 1951): up by much for each request that
 * was later, down by little for each that was not, and down with time, for those who are refused teach nothing.
 */
export class Lateness {
  #log = 0
  #atMs = 0

  /** 1 where predictions hold, or are too long; at most 3. */
  factor(nowMs: number): number {
    return Math.exp(this.#logAt(nowMs))
  }

  /** A request was predicted to be finished so long after its arrival, and was; or had no answer by then. */
  observe(predictedMs: number, tookMs: number, nowMs: number): void {
    if (!(predictedMs >= leastPredictedMs && tookMs > 0)) return
    const log = this.#logAt(nowMs)
    const move = Math.log(tookMs / predictedMs) > log ? step * inTime : -step * (1 - inTime)
    this.#log = Math.min(Math.log(most), Math.max(0, log + move))
    this.#atMs = nowMs
  }

  #logAt(nowMs: number): number {
    return this.#log === 0 ? 0 : this.#log * 0.5 ** (Math.max(0, nowMs - this.#atMs) / halfLifeMs)
  }
}
