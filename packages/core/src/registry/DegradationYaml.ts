/**
 * What a model's entry says of the times when the model cannot answer: the fields as they are written, what is wrong with
 * them, and what they mean. Pure.
 */
import { PredictedValue } from "@sluice/domain/Prediction"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { describeValue } from "../config/ConfigError.ts"
import { DurationText } from "../config/DurationText.ts"
import { didYouMean } from "../config/Suggestion.ts"
import type { YamlPath } from "../config/YamlDocument.ts"
import type { BreakerEntry } from "../resilience/BreakerRules.ts"
import type { DegradationEntry, Remedy } from "../resilience/DegradationEntry.ts"
import { DEGRADATION_KINDS } from "../telemetry/VersionMeters.ts"

const count = (maximum: number) => {
  const expected = `a whole number from 1 to ${maximum}`
  return Schema.Int.annotate({ expected }).check(Schema.isBetween({ minimum: 1, maximum }, { expected }))
}
const fraction = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
const mostOpen = Duration.hours(1)

export const BreakerYaml = Schema.Struct({
  policy: Schema.optionalKey(Schema.Literals(["consecutive", "rate"])),
  failures: Schema.optionalKey(count(1_000_000)),
  rate_threshold: Schema.optionalKey(fraction),
  window_calls: Schema.optionalKey(count(100_000)),
  minimum_calls: Schema.optionalKey(count(100_000)),
  open_duration: Schema.optionalKey(
    DurationText("seconds").check(
      Schema.makeFilter((open) => Duration.toMillis(open) > 0 && Duration.isLessThanOrEqualTo(open, mostOpen), {
        expected: "a duration above 0 and at most 1 hour"
      })
    )
  )
})

export const FallbackYaml = Schema.Struct({
  model: Schema.optionalKey(Schema.String),
  version: Schema.optionalKey(Schema.String)
})

export const DefaultAnswerYaml = Schema.Struct({
  prediction: PredictedValue,
  probabilities: Schema.optionalKey(Schema.Record(Schema.String, fraction))
})

/** The fields of a model. */
export const degradationFields = {
  breaker: Schema.optionalKey(BreakerYaml),
  fallback: Schema.optionalKey(FallbackYaml),
  default_answer: Schema.optionalKey(DefaultAnswerYaml),
  degradation: Schema.optionalKey(Schema.Array(Schema.Literals(DEGRADATION_KINDS)))
}

const DegradationYaml = Schema.Struct(degradationFields)
interface DegradationYaml extends Schema.Schema.Type<typeof DegradationYaml> {}

export const readBreaker = ({ breaker }: DegradationYaml): BreakerEntry | undefined =>
  breaker === undefined ? undefined : {
    policy: breaker.policy,
    failures: breaker.failures,
    rateThreshold: breaker.rate_threshold,
    windowCalls: breaker.window_calls,
    minimumCalls: breaker.minimum_calls,
    openDuration: breaker.open_duration
  }

/** In the order in which they are tried; what is not set is left out. */
export const readDegradation = (
  name: string,
  { default_answer: prediction, degradation = DEGRADATION_KINDS, fallback }: DegradationYaml
): DegradationEntry => ({
  stale: degradation.includes("stale"),
  remedies: degradation.flatMap((kind): ReadonlyArray<Remedy> => {
    if (kind === "fallback" && fallback !== undefined) {
      return [{ kind, model: fallback.model ?? name, version: fallback.version }]
    }
    return kind === "default" && prediction !== undefined ? [{ kind, prediction }] : []
  })
})

interface Mistake {
  readonly path: YamlPath
  readonly problem: string
}

/** What a fallback is checked against, of every model. */
export interface KnownModel extends DegradationYaml {
  readonly default_version: string
  readonly versions: Readonly<Record<string, { readonly status?: string }>>
  readonly rollout_strategy?: { readonly type: string }
}

const checkFallback = (
  name: string,
  own: KnownModel,
  models: Readonly<Record<string, KnownModel>>,
  path: YamlPath
): ReadonlyArray<Mistake> => {
  const { fallback } = own
  if (fallback === undefined) return []
  const { model = name, version } = fallback
  if (model === name && version === undefined) {
    return [{ path, problem: "a model cannot stand in for itself: name another version, another model, or both" }]
  }
  const other = Object.hasOwn(models, model) ? models[model] : undefined
  if (other === undefined) {
    const problem = `no model is named ${describeValue(model)}${didYouMean(model, Object.keys(models))}`
    return [{ path: [...path, "model"], problem }]
  }
  if (version === undefined) return []
  const at = [...path, "version"]
  const versions = Object.keys(other.versions)
  const named = Object.hasOwn(other.versions, version) ? other.versions[version] : undefined
  if (named === undefined) {
    const problem = `model ${describeValue(model)} has no version ${describeValue(version)}`
    return [{ path: at, problem: `${problem}${didYouMean(version, versions) || `: it has ${versions.join(", ")}`}` }]
  }
  if (named.status === "retired") {
    return [{
      path: at,
      problem: `version ${describeValue(version)} is retired and may not answer: name an active one`
    }]
  }
  const hasRollout = own.rollout_strategy !== undefined && own.rollout_strategy.type !== "pinned"
  return model === name && version === own.default_version && !hasRollout
    ? [{ path: at, problem: "this is the version that answers, and it cannot stand in for itself: name another one" }]
    : []
}

const checkOrder = ({ degradation = [] }: DegradationYaml, path: YamlPath): ReadonlyArray<Mistake> => [
  ...(new Set(degradation).size < degradation.length ? [{ path, problem: "each may be named once" }] : []),
  ...(degradation.indexOf("stale") > 0
    ? [{ path, problem: "stale comes first, for it is an answer of the very version that was asked" }]
    : [])
]

/** What a model's fields of this kind contradict. */
export const checkDegradation = (
  name: string,
  models: Readonly<Record<string, KnownModel>>,
  path: YamlPath
): ReadonlyArray<Mistake> => {
  const own = models[name]
  return own === undefined ? [] : [
    ...checkFallback(name, own, models, [...path, "fallback"]),
    ...checkOrder(own, [...path, "degradation"])
  ]
}
