/**
 * One request on its way through the pipeline: what its stages hand each other. Plain functions, for every surface's
 * every request passes them.
 */
import type { InferenceError, InvalidInput, ModelFailed } from "@sluice/domain/Errors"
import * as Result from "effect/Result"
import type { BatchRow, RowResult, Submission } from "./batching/Submission.ts"
import type { CacheNamespace } from "./cache/CacheKey.ts"
import type { Freshness } from "./cache/Freshness.ts"
import type { CacheAnswer } from "./cache/PredictionCache.ts"
import type { InferRequest, InferResult } from "./InferRequest.ts"
import { decodeItem, inPlace, type StoredAnswers } from "./ItemCodec.ts"
import type { ItemOutput } from "./ItemOutput.ts"
import type { ServedVersion } from "./registry/ServedVersion.ts"
import type { CallOutcome } from "./resilience/CircuitBreaker.ts"
import type { RolloutMonitor } from "./rollout/RolloutMonitor.ts"

/** What the stages took, in milliseconds; filled in as they end. */
export interface Timings {
  cache: number
  encode: number
  queue: number
  compute: number
}

export interface InferCall {
  readonly request: InferRequest
  readonly version: ServedVersion
  /** Monotonic, in milliseconds. */
  readonly startedMs: number
  readonly timeoutMs: number
  readonly timings: Timings
  /** What its rollout is told of it. */
  readonly monitor: RolloutMonitor | undefined
}

/** An item's row, or why it cannot be one. */
export type EncodedItem = Result.Result<BatchRow, InvalidInput | ModelFailed>

export type ComputedItem = Result.Result<ItemOutput, InferenceError>

export const rowsOf = (encoded: ReadonlyArray<EncodedItem>): ReadonlyArray<BatchRow> => {
  const rows: Array<BatchRow> = []
  for (const row of encoded) if (Result.isSuccess(row)) rows.push(row.success)
  return rows
}

export const submissionOf = (
  { request, startedMs, timeoutMs }: InferCall,
  rows: ReadonlyArray<BatchRow>,
  span: Submission["span"]
): Submission => ({
  rows,
  priority: request.priority,
  deadlineMs: startedMs + timeoutMs,
  timeoutMs,
  consistent: request.consistent === true,
  span
})

/** Each item's result: why it could not be encoded, or what came of its row. */
export const mergeRows = (
  { timings, version }: InferCall,
  encoded: ReadonlyArray<EncodedItem>,
  computed: ReadonlyArray<RowResult>
): ReadonlyArray<ComputedItem> => {
  let next = 0
  const merged = encoded.map((row): ComputedItem => {
    if (Result.isFailure(row)) return Result.fail(row.failure)
    const result = computed[next++]!
    if (Result.isSuccess(result)) {
      timings.queue = Math.max(timings.queue, result.success.queueMs)
      timings.compute = Math.max(timings.compute, result.success.computeMs)
    }
    return result
  })
  if (next > 0) version.metrics.stage("queue", timings.queue / 1000)
  return merged
}

/**
 * Only what the model itself did says something about its health; a full queue or a bad item does not. No codec has
 * checked raw tensors, so that the model fails on them may be the caller's doing, and must not close it for others.
 */
export const circuitOutcome = ({ input }: InferRequest, results: ReadonlyArray<ComputedItem>): CallOutcome => {
  let succeeded = false
  for (const result of results) {
    if (Result.isSuccess(result)) succeeded = true
    else if (result.failure._tag === "InstanceLost") return "failure"
    else if (result.failure._tag === "ModelFailed" && input._tag === "Items") return "failure"
  }
  return succeeded ? "success" : "ignored"
}

/**
 * Whether a failure means that the version cannot answer now, whatever the item: then an answer from the cache that is
 * past its time is better than none.
 */
export const isUnavailable = ({ _tag }: InferenceError): boolean => unavailable.has(_tag)
const unavailable: ReadonlySet<InferenceError["_tag"]> = new Set([
  "CircuitOpen",
  "ModelNotReady",
  "ModelFailed",
  "Overloaded",
  "InstanceLost",
  "DeadlineExceeded"
])

/**
 * What an entry is kept under; undefined while nothing is. Whoever wants its answer whatever its company is given none that
 * was computed in company.
 */
export const cacheNamespaceOf = ({ request, version }: InferCall): CacheNamespace | undefined => {
  const namespace = version.cacheNamespace()
  return namespace !== undefined && request.consistent === true && !version.plan.batchInvariant
    ? { ...namespace, fingerprint: `${namespace.fingerprint}.alone` }
    : namespace
}

/** What the cache may answer with: no more past its time than the registry says. */
export const freshnessOf = ({ request: { freshness }, version }: InferCall): Freshness | undefined => {
  const keptMs = version.plan.entry.staleIfErrorMs
  if (keptMs === 0 && freshness?.maxAgeMs === undefined) return undefined
  return { ...freshness, staleIfErrorMs: Math.min(freshness?.staleIfErrorMs ?? keptMs, keptMs) }
}

/** Nothing was looked up. */
export const uncached = (outcomes: ReadonlyArray<ComputedItem>): CacheAnswer<InferenceError> => ({
  outcomes,
  hits: nowhere,
  stale: nowhere,
  status: "bypass",
  ageMs: undefined
})
const nowhere: ReadonlyArray<boolean> = []

/** The answer, decoded for those who asked in natural items. */
export const inferResult = (
  { request, startedMs, timings, version }: InferCall,
  { ageMs, hits, outcomes: computed, stale, status: cacheStatus }: CacheAnswer<InferenceError>,
  now: () => number,
  stored?: StoredAnswers
): InferResult => {
  const decodingMs = now()
  const total = decodingMs - startedMs
  const natural = request.input._tag === "Items"
  const items = computed.map((item, i) =>
    Result.isFailure(item)
      ? Result.fail(inPlace(item.failure, i))
      : decodeItem(version, item.success, natural, hits[i] ?? false, total, stored)
  )
  version.metrics.stage("decode", (now() - decodingMs) / 1000)
  const { entry: { model, version: name }, spec: { precision } } = version.plan
  return {
    model,
    version: name,
    precision,
    signature: version.signature,
    cacheStatus,
    timings: { ...timings, total },
    items,
    ...(ageMs === undefined ? {} : { ageMs }),
    ...(stale.includes(true) ? { degraded: { kind: "stale" } } : {})
  }
}
