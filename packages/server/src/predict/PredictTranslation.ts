/**
 * Between the platform's predict call and the pipeline: HTTP and RPC share it.
 */
import type { CacheMode } from "@sluice/core/cache/PredictionCache"
import type { InferInput, InferredItem, InferRequest, InferResult } from "@sluice/core/InferRequest"
import { describeError } from "@sluice/domain/ErrorCatalogue"
import { type InferenceError, MalformedRequest, ModelFailed } from "@sluice/domain/Errors"
import type { Item } from "@sluice/domain/Item"
import type { PredictRequest } from "@sluice/domain/PredictRequest"
import type { PredictResponse, PredictResult } from "@sluice/domain/PredictResponse"
import * as Result from "effect/Result"

/** What a call says outside its body. */
export interface CallContext {
  readonly requestId: string
  readonly routingKey: string
  readonly cacheControl: string | undefined
  /** From the header, in milliseconds; the body's own wins. */
  readonly timeoutMs: number | undefined
}

/** `no-store` and `use_cache: false` neither read nor keep; `no-cache` computes and keeps. */
export const cacheMode = (useCache: boolean | undefined, cacheControl: string | undefined): CacheMode => {
  const directives = (cacheControl ?? "").toLowerCase().split(",").map((part) => part.trim())
  if (useCache === false || directives.includes("no-store")) return "bypass"
  return directives.includes("no-cache") ? "refresh" : "use"
}

const itemsOf = (request: PredictRequest): Result.Result<ReadonlyArray<Item>, MalformedRequest> => {
  const given: ReadonlyArray<readonly [string, ReadonlyArray<Item> | undefined]> = [
    ["texts", request.texts?.map((text): Item => ({ _tag: "Text", text }))],
    ["features", request.features?.map((values): Item => ({ _tag: "Features", values }))],
    ["records", request.records?.map((fields): Item => ({ _tag: "Record", fields }))]
  ]
  const [first, second] = given.filter(([, items]) => items !== undefined)
  if (first === undefined) {
    return Result.fail(new MalformedRequest({ detail: "one of texts, features and records is needed" }))
  }
  if (second !== undefined) {
    return Result.fail(
      new MalformedRequest({ field: second[0], detail: `send it alone: only one of texts, features and records` })
    )
  }
  const [field, items = []] = first
  return items.length === 0
    ? Result.fail(new MalformedRequest({ field, detail: "expected at least one item, got none" }))
    : Result.succeed(items)
}

export const toInferRequest = (
  request: PredictRequest,
  call: CallContext
): Result.Result<InferRequest, MalformedRequest> =>
  Result.map(itemsOf(request), (items): InferRequest => ({
    model: request.model,
    version: request.model_version,
    routingKey: call.routingKey,
    input: { _tag: "Items", items } satisfies InferInput,
    cache: cacheMode(request.use_cache, call.cacheControl),
    priority: request.priority ?? "normal",
    timeoutMs: request.timeout_ms ?? call.timeoutMs
  }))

const round = (value: number): number => Math.round(value * 1000) / 1000

const allFinite = (values: Iterable<unknown>): boolean => {
  for (const value of values) if (typeof value === "number" && !Number.isFinite(value)) return false
  return true
}

const isFinitePrediction = ({ prediction }: InferredItem): boolean =>
  prediction === undefined || (
    allFinite([prediction.prediction]) &&
    allFinite(Object.values(prediction.probabilities ?? {})) &&
    allFinite(prediction.embedding ?? []) &&
    Object.values(prediction.outputs ?? {}).every(allFinite)
  )

const resultOf = (item: InferredItem, request: PredictRequest, index: number): PredictResult => {
  const { embedding, outputs, prediction, probabilities } = item.prediction ?? {}
  const text = request.texts?.[index]
  // A text's scores are the answer itself; a row's probabilities are extra, so only those who ask pay for them.
  const scored = probabilities !== undefined && request.return_probabilities !== false
  return {
    ...(text === undefined ? {} : { text }),
    ...(prediction === undefined ? {} : { prediction }),
    ...(scored && text !== undefined ? { scores: probabilities } : {}),
    ...(scored && text === undefined && request.return_probabilities === true ? { probabilities } : {}),
    ...(embedding === undefined ? {} : { embedding: Array.from(embedding) }),
    ...(outputs === undefined ? {} : { outputs }),
    latency_ms: round(item.latencyMs),
    cached: item.cached
  }
}

const itemError = (error: InferenceError): PredictResult => {
  const { code, detail, status } = describeError(error)
  return { error: { code, status, detail } }
}

/** The answer, or the first item's error where the caller did not ask for partial results. */
export const toPredictResponse = (
  result: InferResult,
  request: PredictRequest,
  requestId: string
): Result.Result<PredictResponse, InferenceError> => {
  const { model, timings, version } = result
  const results: Array<PredictResult> = []
  for (const [index, outcome] of result.items.entries()) {
    const checked = Result.flatMap(
      outcome,
      (item): Result.Result<InferredItem, InferenceError> =>
        isFinitePrediction(item) ? Result.succeed(item) : Result.fail(new ModelFailed({ model, version }))
    )
    if (Result.isSuccess(checked)) results.push(resultOf(checked.success, request, index))
    else if (request.partial === true) results.push(itemError(checked.failure))
    else return Result.fail(checked.failure)
  }
  const seconds = timings.total / 1000
  return Result.succeed({
    request_id: requestId,
    model,
    model_version: version,
    results,
    latency_ms: round(timings.total),
    inference_time_seconds: Math.round(timings.compute * 1000) / 1e6,
    throughput_samples_per_sec: seconds > 0 ? Math.round(results.length / seconds * 10) / 10 : 0
  })
}
