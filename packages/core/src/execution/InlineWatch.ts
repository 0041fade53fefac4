/**
 * Whether a model that runs on the event loop has outgrown it. Pure: it is told what each batch took.
 */

/** A batch of several rows may hold the event loop this long: about what a busy turn of it takes anyhow. */
const batchLimitMs = 2
/** A noisy machine makes runs two or three times slower for a while, which must not decide. */
const slack = 4
/** One batch counts no more than this: a process that was not scheduled for a second has outgrown nothing. */
const longestExcessMs = 10
/** How much longer than allowed the batches may have taken altogether. */
const toleratedExcessMs = 250

/**
 * Adds up by how much batches take longer than they may, less what others stay below it. One slow batch is soon made
 * good; a model that has become slow is found after some hundred batches, and the sooner the slower it is.
 */
export class InlineWatch {
  readonly #rowLimitMs: number
  readonly #batchLimitMs: number
  #excessMs = 0

  /** `boundMs` is what a run of one row may take, in milliseconds. */
  constructor(boundMs: number) {
    this.#rowLimitMs = slack * boundMs
    this.#batchLimitMs = Math.max(batchLimitMs, this.#rowLimitMs)
  }

  /** Tells it of a batch; true once the model has outgrown the event loop. */
  outgrownBy(rows: number, ms: number): boolean {
    const excess = Math.min(longestExcessMs, ms - Math.min(this.#batchLimitMs, this.#rowLimitMs * rows))
    this.#excessMs = Math.max(0, this.#excessMs + excess)
    return this.#excessMs > toleratedExcessMs
  }
}
