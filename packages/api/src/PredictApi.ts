/**
 * The platform's own predict call and what stands beside it under the older name.
 */
import { ModelCacheStats } from "@sluice/domain/ModelCacheStats"
import { PredictRequest } from "@sluice/domain/PredictRequest"
import { PredictResponse } from "@sluice/domain/PredictResponse"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Schema from "effect/Schema"
import { inferenceProblems, malformedProblem, notFoundProblem, readProblems, storeProblem } from "./Problem.ts"

/** The older name's request: `model_path` is an alias of `model`, for paths that the registry lists. */
export const LegacyPredictRequest = Schema.Struct({
  ...PredictRequest.fields,
  model_path: Schema.optionalKey(Schema.String)
})
export interface LegacyPredictRequest extends Schema.Schema.Type<typeof LegacyPredictRequest> {}

/** Model versions by id, `sentiment@v2`, or by name for the default version. */
export const WarmupRequest = Schema.Struct({ models: Schema.Array(Schema.String) })
export interface WarmupRequest extends Schema.Schema.Type<typeof WarmupRequest> {}

/** What each was doing when the warm-up ended. */
export const WarmupResponse = Schema.Struct({
  models: Schema.Array(Schema.Struct({ model_id: Schema.String, state: Schema.String, latency_ms: Schema.Finite }))
})
export interface WarmupResponse extends Schema.Schema.Type<typeof WarmupResponse> {}

/**
 * Items that were hit and missed since the start, and those of the missed that were answered past their time (`stale`), in
 * all and by model. `entries` and `bytes` are those of the last tier; a tier that does not answer is left out. Evictions
 * and errors are this process's.
 */
export const PredictionCacheStats = Schema.Struct({
  hits: Schema.Int,
  misses: Schema.Int,
  stale: Schema.Int,
  entries: Schema.Int,
  bytes: Schema.Int,
  tiers: Schema.Array(Schema.Struct({
    tier: Schema.Literals(["memory", "redis"]),
    entries: Schema.Int,
    bytes: Schema.Int,
    evictions: Schema.Int,
    errors: Schema.Int
  })),
  models: Schema.Array(Schema.Struct({
    model: Schema.String,
    hits: Schema.Int,
    misses: Schema.Int,
    stale: Schema.Int
  }))
})

/** Of the models in memory; the cache of predictions has its own below. */
export const CacheStats = Schema.Struct({
  ...ModelCacheStats.fields,
  /** Those of `predictions`, where they stood before there were figures of models. */
  entries: Schema.Int,
  predictions: PredictionCacheStats
})
export interface CacheStats extends Schema.Schema.Type<typeof CacheStats> {}

/** `cleared` are predictions; `models` are versions that were put away, where that was asked for. */
export const CacheCleared = Schema.Struct({ cleared: Schema.Int, models: Schema.optionalKey(Schema.Int) })

export const ServiceHealth = Schema.Struct({
  status: Schema.Literals(["active", "draining"]),
  models_ready: Schema.Int
})

export const PredictApi = HttpApiGroup.make("predict").add(
  HttpApiEndpoint.post("predict", "/predict", {
    payload: PredictRequest,
    success: PredictResponse,
    error: inferenceProblems
  }),
  HttpApiEndpoint.post("inferencePredict", "/inference/predict", {
    payload: LegacyPredictRequest,
    success: PredictResponse,
    error: inferenceProblems
  }),
  HttpApiEndpoint.post("warmup", "/inference/warmup", {
    payload: WarmupRequest,
    success: WarmupResponse,
    error: inferenceProblems
  }),
  HttpApiEndpoint.get("cacheStats", "/inference/cache/stats", { success: CacheStats, error: readProblems }),
  HttpApiEndpoint.delete("cacheClear", "/inference/cache/clear", {
    query: {
      /** Whose predictions are forgotten; all of them when left out. */
      model: Schema.optionalKey(Schema.NonEmptyString),
      models: Schema.optionalKey(Schema.Literals(["true", "false"]))
    },
    success: CacheCleared,
    error: [malformedProblem, notFoundProblem, ...readProblems, storeProblem]
  }),
  HttpApiEndpoint.get("inferenceHealth", "/inference/health", { success: ServiceHealth, error: readProblems })
)
