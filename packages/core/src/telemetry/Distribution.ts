/**
 * Counts of observations by bucket: what a Prometheus histogram shows, kept so that an observation costs nanoseconds.
 */

/** Seconds, from a quarter of a millisecond: a tabular model answers in less than one. */
export const DURATION_BUCKETS: ReadonlyArray<number> = [
  0.00025,
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10
]

/** Items in a batch. */
export const BATCH_SIZE_BUCKETS: ReadonlyArray<number> = [1, 2, 4, 8, 16, 32, 64, 128, 256]

export class Distribution {
  /** Upper bounds, inclusive and ascending. */
  readonly bounds: ReadonlyArray<number>
  /** Observations by bucket, not cumulative; the last one holds those above every bound. */
  readonly counts: Float64Array
  sum = 0
  count = 0

  constructor(bounds: ReadonlyArray<number>) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  /** A value that is no number is dropped: one of them would make the sum useless for good. */
  observe(value: number): void {
    if (!Number.isFinite(value)) return
    const { bounds, counts } = this
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket++
    counts[bucket] = (counts[bucket] ?? 0) + 1
    this.sum += value
    this.count++
  }
}
