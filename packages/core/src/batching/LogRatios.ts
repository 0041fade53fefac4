/**
 * The last few ratios of two durations, and whether they are surely below a bound. Robust: by median and spread.
 */

const kept = 16

/** Fewer say nothing. */
const least = 4

const medianOf = (sorted: ReadonlyArray<number>): number =>
  (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2

export class LogRatios {
  readonly #logs: Array<number> = []

  get count(): number {
    return this.#logs.length
  }

  /** Ignores what has no logarithm. */
  add(ratio: number): void {
    const log = Math.log(ratio)
    if (!Number.isFinite(log)) return
    if (this.#logs.length === kept) this.#logs.shift()
    this.#logs.push(log)
  }

  /** Whether the median is below a logarithm by so many standard errors. */
  isBelow(log: number, standardErrors: number): boolean {
    const count = this.#logs.length
    if (count < least) return false
    const median = medianOf(this.#logs.toSorted((a, b) => a - b))
    const deviation = medianOf(this.#logs.map((other) => Math.abs(other - median)).sort((a, b) => a - b))
    // Of normal variables: 1.48 × the median deviation is their own, and the median's is 1.25 times the mean's.
    const error = 1.25 * 1.48 * deviation / Math.sqrt(count)
    return median + standardErrors * error < log
  }

  /** The same with numerator and denominator exchanged. */
  inverted(): LogRatios {
    const other = new LogRatios()
    for (const log of this.#logs) other.#logs.push(-log)
    return other
  }
}
