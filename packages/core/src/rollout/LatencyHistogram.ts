/**
 * Latencies counted in buckets whose bounds grow by a constant factor: a quantile is within 2 % from 10 µs to 10 minutes,
 * and counts of several processes add up. The layout is that of DDSketch (Masson, Rim, Lee: "DDSketch: a fast and
 * fully-mergeable quantile sketch with relative-error guarantees", PVLDB 12, 2019).
 */
import * as Schema from "effect/Schema"

/** How far a quantile may be off, relative to its true value. */
const relativeError = 0.02
const growth = (1 + relativeError) / (1 - relativeError)
const leastMs = 0.01
const mostMs = 600_000
const perLogUnit = 1 / Math.log(growth)

/** Bucket 0 holds what is at most `leastMs`; the last one what is above `mostMs`. */
const lastBucket = Math.ceil(Math.log(mostMs / leastMs) * perLogUnit) + 1

/** Milliseconds: what lies in a bucket is above its lower bound, and at most its upper one. */
const upperBound = (bucket: number): number => bucket >= lastBucket ? Infinity : leastMs * growth ** bucket
const lowerBound = (bucket: number): number => bucket === 0 ? 0 : upperBound(bucket - 1)

/** What stands for a bucket: off by the same factor from both of its bounds. */
const valueOf = (bucket: number): number => {
  if (bucket === 0) return leastMs
  return bucket === lastBucket ? mostMs : upperBound(bucket) * (1 - relativeError)
}

/** Counts that are not 0, as pairs of bucket and count in ascending order: `[12, 3, 14, 1]`. */
export const LatencyCounts = Schema.Array(Schema.Natural)
export type LatencyCounts = typeof LatencyCounts.Type

const bucketOf = (latencyMs: number): number => {
  if (!(latencyMs > leastMs)) return 0
  if (latencyMs > mostMs) return lastBucket
  const bucket = Math.ceil(Math.log(latencyMs / leastMs) * perLogUnit)
  return bucket < lastBucket ? bucket : lastBucket - 1
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(lastBucket + 1)
  #total = 0

  static from(...parts: ReadonlyArray<LatencyCounts>): LatencyHistogram {
    const histogram = new LatencyHistogram()
    for (const counts of parts) histogram.#add(counts)
    return histogram
  }

  get total(): number {
    return this.#total
  }

  /** Milliseconds; what is no number is not counted. */
  record(latencyMs: number): void {
    if (Number.isNaN(latencyMs)) return
    this.#counts[bucketOf(latencyMs)]! += 1
    this.#total++
  }

  counts(): LatencyCounts {
    const pairs: Array<number> = []
    for (let bucket = 0; bucket <= lastBucket; bucket++) {
      const count = this.#counts[bucket]!
      if (count > 0) pairs.push(bucket, count)
    }
    return pairs
  }

  /** The latency in milliseconds that a share `q` of all is at most; null where nothing was counted. */
  quantile(q: number): number | null {
    if (this.#total === 0) return null
    const rank = Math.max(1, Math.ceil(q * this.#total))
    let sum = 0
    for (let bucket = 0; bucket < lastBucket; bucket++) {
      sum += this.#counts[bucket]!
      if (sum >= rank) return valueOf(bucket)
    }
    return valueOf(lastBucket)
  }

  /** How many are above the bound for certain: those of the bucket that it lies in are not counted. */
  countAbove(boundMs: number): number {
    let sum = 0
    for (let bucket = lastBucket; bucket >= 0 && lowerBound(bucket) >= boundMs; bucket--) sum += this.#counts[bucket]!
    return sum
  }

  /**
   * The least of the buckets' upper bounds for which `holds` is true of the number of latencies above it. `holds` is true
   * of every number below one that it is true of. Infinity where it holds nowhere, in milliseconds.
   */
  leastBound(holds: (above: number) => boolean): number {
    let above = 0
    let least = lastBucket
    if (!holds(above)) return Infinity
    for (let bucket = lastBucket; bucket > 0; bucket--) {
      const count = this.#counts[bucket]!
      if (count > 0) {
        above += count
        if (!holds(above)) break
      }
      least = bucket - 1
    }
    return upperBound(least)
  }

  #add(pairs: LatencyCounts): void {
    for (let i = 0; i + 1 < pairs.length; i += 2) {
      const bucket = Math.min(pairs[i]!, lastBucket)
      this.#counts[bucket]! += pairs[i + 1]!
      this.#total += pairs[i + 1]!
    }
  }
}
