/**
 * What answers in place of a version that cannot: another version or model, or an answer that the registry holds. Which of it,
 * and for which errors, is decided here; pure, so that the pipeline only carries it out.
 *
 * Stale answers are the cache's doing, before anything here: they are the version's own.
 */
import type { InferenceError } from "@sluice/domain/Errors"
import type { Precision } from "@sluice/domain/ModelInfo"
import type { ModelSignature, TensorSpec } from "@sluice/domain/ModelSignature"
import type { Prediction } from "@sluice/domain/Prediction"
import type { Codec } from "@sluice/plugin-sdk/Plugin"
import * as Result from "effect/Result"
import type { Answered, InferInput, InferredItem, InferRequest, InferResult } from "../InferRequest.ts"
import type { DegradationEntry, Fallback, Remedy } from "./DegradationEntry.ts"

/** Why the version that was asked did not answer, where something else may. */
export type Unavailable = Extract<
  InferenceError,
  {
    readonly _tag: "CircuitOpen" | "ModelNotReady" | "ModelFailed" | "Overloaded" | "InstanceLost" | "DeadlineExceeded"
  }
>

const isUnavailable = (error: InferenceError, { input }: InferRequest): error is Unavailable => {
  switch (error._tag) {
    case "CircuitOpen":
    case "ModelNotReady":
    case "Overloaded":
    case "InstanceLost":
    case "DeadlineExceeded":
      return true
    // Natural items have been checked; that a model fails on raw tensors may be their doing.
    case "ModelFailed":
      return input._tag === "Items"
    // Bad input is bad elsewhere too.
    default:
      return false
  }
}

/**
 * Why something else is to answer; undefined where the answer stays as it is. Who takes results of some items with errors of
 * the others keeps them where the model failed on some only.
 */
export const unavailableIn = (answered: Answered, request: InferRequest): Unavailable | undefined => {
  if (Result.isFailure(answered)) return isUnavailable(answered.failure, request) ? answered.failure : undefined
  const { items } = answered.success
  const keepsFailed = request.partial === true && items.some(Result.isSuccess)
  let found: Unavailable | undefined
  for (const item of items) {
    if (Result.isSuccess(item) || !isUnavailable(item.failure, request)) continue
    // An item that ended an instance decides for all: it may end the fallback's too.
    if (item.failure._tag === "InstanceLost") return item.failure
    if (item.failure._tag !== "ModelFailed" || !keepsFailed) found ??= item.failure
  }
  return found
}

/**
 * Whether this may answer after that. An item that ended the instances of one model may end those of another, and after the
 * deadline there is no time for a model: only the registry's answer is left then.
 */
const mayFollow = (remedy: Remedy, { _tag }: Unavailable, { input }: InferRequest): boolean =>
  remedy.kind === "default" ? input._tag === "Items" : _tag !== "InstanceLost" && _tag !== "DeadlineExceeded"

/** What is tried for this request, in order. Who names a version wants that one, or to hear that it does not answer. */
export const remediesFor = (
  { remedies }: DegradationEntry,
  request: InferRequest,
  error: Unavailable
): ReadonlyArray<Remedy> =>
  request.version === undefined ? remedies.filter((remedy) => mayFollow(remedy, error, request)) : []

/** The same request to the fallback's version; undefined where no time is left, or it is the one that failed. */
export const fallbackRequest = (
  { model }: Fallback,
  version: string,
  request: InferRequest,
  error: Unavailable,
  elapsedMs: number
): InferRequest | undefined => {
  if ("version" in error && error.model === model && error.version === version) return undefined
  const timeoutMs = request.timeoutMs === undefined ? undefined : request.timeoutMs - elapsedMs
  return timeoutMs !== undefined && timeoutMs <= 0 ? undefined : { ...request, model, version, timeoutMs }
}

const hasSame = (specs: ReadonlyArray<TensorSpec>, others: ReadonlyArray<TensorSpec>): boolean =>
  specs.length === others.length &&
  specs.every(({ datatype, name, shape }) => {
    const other = others.find((each) => each.name === name)
    return other !== undefined && other.datatype === datatype && other.shape.length === shape.length &&
      shape.every((size, i) => i === 0 || size === other.shape[i] || size === -1 || other.shape[i] === -1)
  })

interface Takes {
  readonly codec: Pick<Codec, "accepts">
  readonly signature: ModelSignature
}

/**
 * Whether a version takes this input and answers in its form. Natural items must be of a kind that it accepts; tensors need the
 * signature of the version that they were meant for, as far as that one is known.
 */
export const canStandIn = (input: InferInput, standIn: Takes, failed: Takes | undefined): boolean => {
  if (input._tag === "Items") return input.items.every(({ _tag }) => standIn.codec.accepts.includes(_tag))
  return failed === undefined ||
    (hasSame(failed.signature.inputs, standIn.signature.inputs) &&
      hasSame(failed.signature.outputs, standIn.signature.outputs))
}

/** A fallback's answer, marked as such; undefined where it has not answered every item either. */
export const markedFallback = (answered: Answered): InferResult | undefined => {
  if (Result.isFailure(answered) || answered.success.items.some(Result.isFailure)) return undefined
  const { model, version } = answered.success
  return { ...answered.success, degraded: { kind: "fallback", model, version } }
}

const noTimings = { cache: 0, encode: 0, queue: 0, compute: 0 }

export interface DefaultContext {
  readonly request: InferRequest
  readonly answered: Answered
  /** Which version was to answer. */
  readonly asked: { readonly model: string; readonly version: string; readonly precision: Precision }
  readonly elapsedMs: number
}

/** The registry's answer for every item that has none. */
export const defaultResult = (
  prediction: Prediction,
  { answered, asked, elapsedMs, request }: DefaultContext
): InferResult => {
  const item: InferredItem = { outputs: {}, prediction, cost: 0, cached: false, latencyMs: elapsedMs }
  const given = Result.succeed(item)
  const degraded = { kind: "default" as const }
  if (Result.isSuccess(answered)) {
    const items = answered.success.items.map((each) =>
      Result.isFailure(each) && isUnavailable(each.failure, request) ? given : each
    )
    return { ...answered.success, items, degraded }
  }
  const count = request.input._tag === "Items" ? request.input.items.length : 0
  return {
    ...asked,
    signature: { inputs: [], outputs: [], batchable: true },
    cacheStatus: "bypass",
    timings: { ...noTimings, total: elapsedMs },
    items: Array.from({ length: count }, () => given),
    degraded
  }
}
