/**
 * A request as the pipeline takes it, and its answer: the same whatever surface it came through.
 */
import type { InferenceError } from "@sluice/domain/Errors"
import type { Item } from "@sluice/domain/Item"
import type { Precision } from "@sluice/domain/ModelInfo"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Prediction } from "@sluice/domain/Prediction"
import type { Priority } from "@sluice/domain/PredictRequest"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Result from "effect/Result"
import type { Freshness } from "./cache/Freshness.ts"
import type { CacheMode, CacheStatus } from "./cache/PredictionCache.ts"

/** Natural items, or raw tensors whose first dimension is the item. */
export type InferInput =
  | { readonly _tag: "Items"; readonly items: ReadonlyArray<Item> }
  | { readonly _tag: "Tensors"; readonly tensors: TensorMap }

export interface InferRequest {
  /** The registry's default model when left out. */
  readonly model: string | undefined
  /** What the rollout chooses when left out. */
  readonly version: string | undefined
  /** What a sticky rollout strategy hashes. */
  readonly routingKey: string
  readonly input: InferInput
  readonly cache: CacheMode
  /** What the caller accepts from the cache; anything within its time when left out. */
  readonly freshness?: Freshness | undefined
  readonly priority: Priority
  /** Milliseconds; the version's default when left out. */
  readonly timeoutMs: number | undefined
  /** Each item is computed in a batch of its own, so that its answer does not depend on the company it has. */
  readonly consistent?: boolean
  /** The caller takes the results of some items with the errors of the others. */
  readonly partial?: boolean
}

export interface InferredItem {
  readonly outputs: TensorMap
  /** In the task's natural form; for natural items only. */
  readonly prediction: Prediction | undefined
  readonly cost: number
  readonly cached: boolean
  /** From the pipeline's start to this item's answer, in milliseconds. */
  readonly latencyMs: number
}

/** Milliseconds. `queue` and `compute` are those of the item that had most of them. */
export interface StageTimings {
  readonly cache: number
  readonly encode: number
  readonly queue: number
  readonly compute: number
  readonly total: number
}

/** How an answer came about that the version which was to give it could not give. */
export type Degradation =
  | { readonly kind: "stale" }
  | { readonly kind: "fallback"; readonly model: string; readonly version: string }
  | { readonly kind: "default" }

export interface InferResult {
  readonly model: string
  readonly version: string
  /** Of the file that answered. */
  readonly precision: Precision
  readonly signature: ModelSignature
  /** In the order of the input. */
  readonly items: ReadonlyArray<Result.Result<InferredItem, InferenceError>>
  readonly cacheStatus: CacheStatus
  readonly timings: StageTimings
  /** How long ago the oldest of the items that the cache had was stored; where it had any. */
  readonly ageMs?: number
  /** Set where this is not the answer that was asked for. */
  readonly degraded?: Degradation
}

/** What came of a request: failed as a whole, or with a result for each item. */
export type Answered = Result.Result<InferResult, InferenceError>

/** The request's failure, or that of its first item that failed. */
export const failureIn = (answered: Answered): InferenceError | undefined =>
  Result.isFailure(answered) ? answered.failure : answered.success.items.find(Result.isFailure)?.failure
