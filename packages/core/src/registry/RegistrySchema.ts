/**
 * The shape of `model_registry.yaml`, field by field, as it is written. What fields say of each other is checked by
 * `RegistryChecks.ts`.
 */
import { Device, Precision, VersionStatus } from "@sluice/domain/ModelInfo"
import { TimeoutMs } from "@sluice/domain/PredictRequest"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { DurationText } from "../config/DurationText.ts"
import { LimitsSchema } from "../limits/Limits.ts"
import { degradationFields } from "./DegradationYaml.ts"

/** What a version's plan of instances, threads and batches is chosen for. */
export const OptimizeFor = Schema.Literals(["auto", "throughput", "latency"])
export type OptimizeFor = typeof OptimizeFor.Type

/** A count that makes sense from 1 up. The upper bound catches slips of a digit, nobody has a use beyond it. */
const count = (maximum: number) => {
  const expected = `a whole number from 1 to ${maximum}`
  return Schema.Int.annotate({ expected }).check(Schema.isBetween({ minimum: 1, maximum }, { expected }))
}
const fraction = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const percentage = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 100 }))
const path = Schema.NonEmptyString

const someTime = "a duration above 0, such as \"500 millis\" or \"10s\", or a number of seconds"
const longerThanNothing = DurationText("seconds").check(
  Schema.makeFilter((duration) => Duration.toMillis(duration) > 0, { expected: someTime })
)

const BatchingYaml = Schema.Struct({
  max_batch_size: Schema.optionalKey(count(65_536)),
  max_batch_cost: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  window: Schema.optionalKey(DurationText("milliseconds")),
  queue_capacity: Schema.optionalKey(count(1_000_000)),
  latency_target: Schema.optionalKey(
    DurationText("milliseconds").check(
      Schema.makeFilter((target) => Duration.toMillis(target) > 0, { expected: "a duration above 0" })
    )
  ),
  max_padded_waste: Schema.optionalKey(fraction)
})

export const VersionYaml = Schema.Struct({
  path,
  status: Schema.optionalKey(VersionStatus),
  description: Schema.optionalKey(Schema.String),
  plugin: Schema.optionalKey(Schema.NonEmptyString),
  precision: Schema.optionalKey(Schema.Literals([...Precision.literals, "auto"])),
  int8_above_wait: Schema.optionalKey(DurationText("milliseconds")),
  variants: Schema.optionalKey(Schema.Struct({
    fp32: Schema.optionalKey(path),
    fp16: Schema.optionalKey(path),
    int8: Schema.optionalKey(path)
  })),
  device: Schema.optionalKey(Device),
  options: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  instances: Schema.optionalKey(count(1_024)),
  threads: Schema.optionalKey(count(1_024)),
  inline: Schema.optionalKey(Schema.Literals(["auto", "off"])),
  optimize_for: Schema.optionalKey(OptimizeFor),
  batch_invariant: Schema.optionalKey(Schema.Boolean),
  isolation: Schema.optionalKey(Schema.Literals(["thread", "process"])),
  batching: Schema.optionalKey(BatchingYaml),
  cache: Schema.optionalKey(Schema.Boolean),
  warmup: Schema.optionalKey(
    Schema.Array(Schema.Record(Schema.String, Schema.Array(count(1_000_000)))).check(Schema.isMaxLength(32))
  ),
  keep_loaded: Schema.optionalKey(Schema.Boolean),
  timeout_ms: Schema.optionalKey(TimeoutMs),
  run_timeout: Schema.optionalKey(longerThanNothing)
})
export interface VersionYaml extends Schema.Schema.Type<typeof VersionYaml> {}

const AnalysisYaml = Schema.Struct({
  max_error_rate: Schema.optionalKey(fraction),
  max_p50_ratio: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  max_p99_ratio: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  min_agreement: Schema.optionalKey(fraction),
  min_requests: Schema.optionalKey(count(1_000_000_000)),
  interval: Schema.optionalKey(DurationText("seconds")),
  examples: Schema.optionalKey(Schema.Literals(["redacted", "full"]))
})

/** Fields of other strategies may stay in place, so that `type: pinned` is all it takes to stop a rollout. */
const rolloutFields = {
  canary_percentage: Schema.optionalKey(percentage),
  shadow_percentage: Schema.optionalKey(percentage),
  target_version: Schema.optionalKey(Schema.String),
  weights: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)))),
  steps: Schema.optionalKey(Schema.Array(percentage)),
  analysis: Schema.optionalKey(AnalysisYaml)
}

/** Each strategy requires its own fields. */
export const RolloutYaml = Schema.Union([
  Schema.Struct({ ...rolloutFields, type: Schema.Literal("pinned") }),
  Schema.Struct({
    ...rolloutFields,
    type: Schema.Literal("canary"),
    canary_percentage: percentage,
    target_version: Schema.String
  }),
  Schema.Struct({
    ...rolloutFields,
    type: Schema.Literal("shadow"),
    shadow_percentage: percentage,
    target_version: Schema.String
  }),
  Schema.Struct({
    ...rolloutFields,
    type: Schema.Literal("ab_test"),
    weights: Schema.Record(Schema.String, Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)))
  })
])
export type RolloutYaml = typeof RolloutYaml.Type

export const ModelYaml = Schema.Struct({
  default_version: Schema.String,
  description: Schema.optionalKey(Schema.String),
  versions: Schema.Record(Schema.String, VersionYaml),
  stale_if_error: Schema.optionalKey(DurationText("seconds")),
  rollout_strategy: Schema.optionalKey(RolloutYaml),
  limits: Schema.optionalKey(LimitsSchema),
  ...degradationFields
})
export interface ModelYaml extends Schema.Schema.Type<typeof ModelYaml> {}

export const RegistryYaml = Schema.Struct({
  default_model: Schema.optionalKey(Schema.String),
  models: Schema.Record(Schema.String, ModelYaml)
})
export interface RegistryYaml extends Schema.Schema.Type<typeof RegistryYaml> {}
