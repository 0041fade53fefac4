/**
 * Between the platform's predict call and the pipeline: HTTP and RPC share it.
 */
import type { InferredItem, InferRequest, InferResult } from "@sluice/core/InferRequest"
import { describeError } from "@sluice/domain/ErrorCatalogue"
import { type InferenceError, MalformedRequest, ModelFailed } from "@sluice/domain/Errors"
import type { Item } from "@sluice/domain/Item"
import type { PredictRequest } from "@sluice/domain/PredictRequest"
import type { ItemError, PredictResponse, PredictResult } from "@sluice/domain/PredictResponse"
import * as Result from "effect/Result"
import { cachePolicy } from "./CachePolicy.ts"
import type { CallContext } from "./CallContext.ts"

const itemsOf = (
  { features, records, texts }: PredictRequest
): Result.Result<ReadonlyArray<Item>, MalformedRequest> => {
  const second = texts === undefined || features === undefined
    ? records !== undefined && (texts ?? features) !== undefined ? "records" : undefined
    : "features"
  if (second !== undefined) {
    return Result.fail(
      new MalformedRequest({ field: second, detail: `send it alone: only one of texts, features and records` })
    )
  }
  const items = texts?.map((text): Item => ({ _tag: "Text", text })) ??
    features?.map((values): Item => ({ _tag: "Features", values })) ??
    records?.map((fields): Item => ({ _tag: "Record", fields }))
  if (items === undefined) {
    return Result.fail(new MalformedRequest({ detail: "one of texts, features and records is needed" }))
  }
  const field = texts === undefined ? features === undefined ? "records" : "features" : "texts"
  return items.length === 0
    ? Result.fail(new MalformedRequest({ field, detail: "expected at least one item, got none" }))
    : Result.succeed(items)
}

export const toInferRequest = (
  request: PredictRequest,
  call: CallContext
): Result.Result<InferRequest, MalformedRequest> => {
  const items = itemsOf(request)
  return Result.isFailure(items) ? Result.fail(items.failure) : Result.succeed({
    model: request.model,
    version: request.model_version,
    routingKey: call.routingKey,
    input: { _tag: "Items", items: items.success },
    ...cachePolicy(request.use_cache, call.cacheControl),
    priority: request.priority ?? "normal",
    timeoutMs: request.timeout_ms ?? call.timeoutMs,
    consistent: request.consistent === true,
    partial: request.partial === true
  })
}

const allFinite = (values: ArrayLike<unknown>): boolean => {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value === "number" && !Number.isFinite(value)) return false
  }
  return true
}

const isFinitePrediction = ({ prediction }: InferredItem): boolean => {
  if (prediction === undefined) return true
  if (typeof prediction.prediction === "number" && !Number.isFinite(prediction.prediction)) return false
  for (const name in prediction.probabilities) {
    if (!Number.isFinite(prediction.probabilities[name])) return false
  }
  return (prediction.embedding === undefined || allFinite(prediction.embedding)) &&
    (prediction.outputs === undefined || Object.values(prediction.outputs).every(allFinite))
}

/** Why an item has no result: it failed, or what it gives is no number, which JSON has no form for. */
export const failureOf = (
  outcome: Result.Result<InferredItem, InferenceError>,
  { model, version }: InferResult
): InferenceError | undefined =>
  Result.isFailure(outcome)
    ? outcome.failure
    : isFinitePrediction(outcome.success)
    ? undefined
    : new ModelFailed({ model, version })

export const itemError = (error: InferenceError): { readonly error: ItemError } => {
  const { code, detail, status } = describeError(error)
  return { error: { code, status, detail } }
}

/**
 * Which member a result tells its probabilities by, if at all. A text's scores are the answer itself; a row's
 * probabilities are extra, so only those who ask pay for them.
 */
export const scoresMember = (request: PredictRequest): "scores" | "probabilities" | undefined =>
  request.texts === undefined
    ? request.return_probabilities === true ? "probabilities" : undefined
    : request.return_probabilities === false
    ? undefined
    : "scores"

/** Milliseconds with three decimals. */
export const roundMs = (value: number): number => Math.round(value * 1000) / 1000

const resultOf = (item: InferredItem, request: PredictRequest, index: number): PredictResult => {
  const { embedding, outputs, prediction, probabilities } = item.prediction ?? {}
  const text = request.texts?.[index]
  const member = scoresMember(request)
  return {
    ...(text === undefined ? {} : { text }),
    ...(prediction === undefined ? {} : { prediction }),
    ...(member === undefined || probabilities === undefined ? {} : { [member]: probabilities }),
    ...(embedding === undefined ? {} : { embedding: Array.from(embedding) }),
    ...(outputs === undefined ? {} : { outputs }),
    latency_ms: roundMs(item.latencyMs),
    cached: item.cached
  }
}

/** What a request took: milliseconds with three decimals, seconds with six, items per second with one. */
export const tookOf = ({ items, timings }: InferResult) => {
  const perSecond = Math.round(items.length / (timings.total / 1000) * 10) / 10
  return {
    latency_ms: roundMs(timings.total),
    inference_time_seconds: Math.round(timings.compute * 1000) / 1e6,
    throughput_samples_per_sec: Number.isFinite(perSecond) ? perSecond : 0
  }
}

/** The answer, or the first item's error where the caller did not ask for partial results. */
export const toPredictResponse = (
  result: InferResult,
  request: PredictRequest,
  requestId: string
): Result.Result<PredictResponse, InferenceError> => {
  const { model, version } = result
  const results: Array<PredictResult> = []
  for (const [index, outcome] of result.items.entries()) {
    const failure = failureOf(outcome, result)
    if (failure === undefined) results.push(resultOf(Result.getOrThrow(outcome), request, index))
    else if (request.partial === true) results.push(itemError(failure))
    else return Result.fail(failure)
  }
  return Result.succeed({
    request_id: requestId,
    model,
    model_version: version,
    results,
    ...tookOf(result),
    ...(result.degraded === undefined ? {} : { degraded: result.degraded.kind })
  })
}
