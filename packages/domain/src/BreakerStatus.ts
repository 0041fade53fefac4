/**
 * How the circuits of a server stand.
 */
import * as Schema from "effect/Schema"

export const BreakerStatus = Schema.Struct({
  /** Such as `model:sentiment@v1`. */
  key: Schema.String,
  kind: Schema.Literals(["model", "upstream"]),
  model: Schema.optionalKey(Schema.String),
  version: Schema.optionalKey(Schema.String),
  state: Schema.Literals(["closed", "half_open", "open"]),
  policy: Schema.Literals(["consecutive", "rate"]),
  /** In a row, until now. */
  failures: Schema.Int,
  /** Of the last 100 calls that were counted, 0 to 1. Successes are counted by the policy `rate`, and after a failure. */
  failure_rate: Schema.Finite,
  /** ISO 8601, UTC; while it is not closed. */
  opened_at: Schema.optionalKey(Schema.String),
  /** Until a call may probe, in milliseconds; 0 where none is refused. */
  retry_after_ms: Schema.Finite,
  /** Changes of its state since the start. */
  transitions: Schema.Int
})
export interface BreakerStatus extends Schema.Schema.Type<typeof BreakerStatus> {}

export const BreakerList = Schema.Struct({ breakers: Schema.Array(BreakerStatus) })
