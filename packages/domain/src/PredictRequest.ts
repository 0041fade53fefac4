/**
 * The platform's own predict call, as HTTP and RPC carry it.
 */
import * as Schema from "effect/Schema"
import { ModelName, ModelVersion, RequestId } from "./Ids.ts"
import { FeatureRecord, FeatureRow } from "./Item.ts"

export const Priority = Schema.Literals(["high", "normal", "low"])
export type Priority = typeof Priority.Type

/** How long a caller may wait, in milliseconds: 1 ms to 1 hour. */
export const TimeoutMs = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_600_000 }))

export const isTimeoutMs = (value: unknown): value is typeof TimeoutMs.Type =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= 3_600_000

/** Exactly one of `texts`, `features` and `records`, with at least one item. `consistent` has each computed by itself. */
export const PredictRequest = Schema.Struct({
  id: Schema.optionalKey(RequestId),
  model: Schema.optionalKey(ModelName),
  model_version: Schema.optionalKey(ModelVersion),
  texts: Schema.optionalKey(Schema.Array(Schema.String)),
  features: Schema.optionalKey(Schema.Array(FeatureRow)),
  records: Schema.optionalKey(Schema.Array(FeatureRecord)),
  return_probabilities: Schema.optionalKey(Schema.Boolean),
  use_cache: Schema.optionalKey(Schema.Boolean),
  timeout_ms: Schema.optionalKey(TimeoutMs),
  priority: Schema.optionalKey(Priority),
  partial: Schema.optionalKey(Schema.Boolean),
  consistent: Schema.optionalKey(Schema.Boolean)
})
export interface PredictRequest extends Schema.Schema.Type<typeof PredictRequest> {}
