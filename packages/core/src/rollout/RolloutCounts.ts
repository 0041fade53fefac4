/**
 * What one or several processes saw in a step of a rollout: cumulative counts that add up, and their form in a store.
 */
import { Disagreement, type RolloutComparison, type RolloutSide } from "@sluice/domain/RolloutStatus"
import * as Schema from "effect/Schema"
import { LatencyCounts, LatencyHistogram } from "./LatencyHistogram.ts"

/** Disagreements that are kept to be looked at, the newest. */
export const maxExamples = 20

export const SideCounts = Schema.Struct({
  requests: Schema.Natural,
  errors: Schema.Natural,
  /** Of all requests, failed ones as well. */
  latency: LatencyCounts
})
export interface SideCounts extends Schema.Schema.Type<typeof SideCounts> {}

export const ComparisonCounts = Schema.Struct({
  items: Schema.Natural,
  agreed: Schema.Natural,
  maxAbs: Schema.NullOr(Schema.Finite),
  /** Sum and number of the cosines that there were. */
  cosineSum: Schema.Finite,
  cosines: Schema.Natural,
  dropped: Schema.Natural,
  /** The newest first. */
  examples: Schema.Array(Disagreement)
})
export interface ComparisonCounts extends Schema.Schema.Type<typeof ComparisonCounts> {}

export const RolloutCounts = Schema.Struct({
  default: SideCounts,
  target: SideCounts,
  comparison: ComparisonCounts
})
export interface RolloutCounts extends Schema.Schema.Type<typeof RolloutCounts> {}

const emptySide: SideCounts = { requests: 0, errors: 0, latency: [] }

export const emptyCounts: RolloutCounts = {
  default: emptySide,
  target: emptySide,
  comparison: { items: 0, agreed: 0, maxAbs: null, cosineSum: 0, cosines: 0, dropped: 0, examples: [] }
}

const mergeSides = (a: SideCounts, b: SideCounts): SideCounts => ({
  requests: a.requests + b.requests,
  errors: a.errors + b.errors,
  latency: LatencyHistogram.from(a.latency, b.latency).counts()
})

const largest = (a: number | null, b: number | null): number | null => a === null ? b : b === null ? a : Math.max(a, b)

const mergeComparisons = (a: ComparisonCounts, b: ComparisonCounts): ComparisonCounts => ({
  items: a.items + b.items,
  agreed: a.agreed + b.agreed,
  maxAbs: largest(a.maxAbs, b.maxAbs),
  cosineSum: a.cosineSum + b.cosineSum,
  cosines: a.cosines + b.cosines,
  dropped: a.dropped + b.dropped,
  examples: [...a.examples, ...b.examples].slice(0, maxExamples)
})

export const mergeCounts = (a: RolloutCounts, b: RolloutCounts): RolloutCounts => ({
  default: mergeSides(a.default, b.default),
  target: mergeSides(a.target, b.target),
  comparison: mergeComparisons(a.comparison, b.comparison)
})

/** As operators see it. */
export const sideOf = (version: string, { errors, latency, requests }: SideCounts): RolloutSide => {
  const histogram = LatencyHistogram.from(latency)
  return { version, requests, errors, p50_ms: histogram.quantile(0.5), p99_ms: histogram.quantile(0.99) }
}

/** As operators see it, with so many examples. */
export const comparisonOf = (counts: ComparisonCounts, examples: number): RolloutComparison => ({
  items: counts.items,
  agreed: counts.agreed,
  max_abs_distance: counts.maxAbs,
  mean_cosine: counts.cosines === 0 ? null : counts.cosineSum / counts.cosines,
  dropped: counts.dropped,
  examples: counts.examples.slice(0, examples)
})
