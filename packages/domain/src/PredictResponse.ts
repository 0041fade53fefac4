/**
 * The answer to a predict call.
 */
import * as Schema from "effect/Schema"
import { PredictedValue } from "./Prediction.ts"

/** Why one item of a `partial` request has no result. */
export const ItemError = Schema.Struct({ code: Schema.String, status: Schema.Int, detail: Schema.String })
export interface ItemError extends Schema.Schema.Type<typeof ItemError> {}

const Scores = Schema.Record(Schema.String, Schema.Finite)

/** `scores` for texts, `probabilities` for tabular items, both by class name; `latency_ms` is this item's own. */
export const PredictResult = Schema.Struct({
  text: Schema.optionalKey(Schema.String),
  prediction: Schema.optionalKey(PredictedValue),
  scores: Schema.optionalKey(Scores),
  probabilities: Schema.optionalKey(Scores),
  embedding: Schema.optionalKey(Schema.Array(Schema.Finite)),
  outputs: Schema.optionalKey(Schema.Record(Schema.String, Schema.Array(PredictedValue))),
  latency_ms: Schema.optionalKey(Schema.Finite),
  cached: Schema.optionalKey(Schema.Boolean),
  error: Schema.optionalKey(ItemError)
})
export interface PredictResult extends Schema.Schema.Type<typeof PredictResult> {}

/**
 * How an answer came about that the version which was to give it could not give: kept past its time, by another version or
 * model (the answer's `model` and `model_version`), or held ready by the registry.
 */
export const Degraded = Schema.Literals(["stale", "fallback", "default"])

/** Results keep the order of the request's items. */
export const PredictResponse = Schema.Struct({
  request_id: Schema.String,
  model: Schema.String,
  model_version: Schema.String,
  results: Schema.Array(PredictResult),
  latency_ms: Schema.Finite,
  inference_time_seconds: Schema.Finite,
  throughput_samples_per_sec: Schema.Finite,
  degraded: Schema.optionalKey(Degraded)
})
export interface PredictResponse extends Schema.Schema.Type<typeof PredictResponse> {}
