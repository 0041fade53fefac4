/**
 * Where a rollout stands, what it has seen, and what an operator may tell it.
 */
import * as Schema from "effect/Schema"

/**
 * `running`: traffic goes by the percentage, and the controller decides where gates are set. `paused`: traffic goes on, nothing
 * is decided. `promoted`: all traffic goes to the target. `rolled_back`: none does. `passed`: a shadow that met its gates.
 */
export const RolloutPhase = Schema.Literals(["running", "paused", "promoted", "rolled_back", "passed"])
export type RolloutPhase = typeof RolloutPhase.Type

const ofPercentage = { message: "Expected a number from 0 to 100" }
const Percentage = Schema.Number.annotate(ofPercentage).check(
  Schema.isFinite(ofPercentage),
  Schema.isBetween({ minimum: 0, maximum: 100 }, ofPercentage)
).pipe(Schema.annotateKey({ messageMissingKey: "Missing key: a number from 0 to 100" }))

const actions = ["pause", "resume", "promote", "rollback", "set_percentage"] as const

/** One member an action: what is wrong with an action is then told by its own member. */
export const RolloutAction = Schema.Union([
  Schema.Struct({ action: Schema.Literal("pause") }),
  Schema.Struct({ action: Schema.Literal("resume") }),
  Schema.Struct({ action: Schema.Literal("promote") }),
  Schema.Struct({ action: Schema.Literal("rollback") }),
  Schema.Struct({ action: Schema.Literal("set_percentage"), percentage: Percentage })
]).annotate({ message: `Expected an object whose "action" is ${actions.map((name) => `"${name}"`).join(" | ")}` })
export type RolloutAction = typeof RolloutAction.Type

/** What the callers of one version got, since the present step of the rollout began. Milliseconds. */
export const RolloutSide = Schema.Struct({
  version: Schema.String,
  requests: Schema.Int,
  errors: Schema.Int,
  p50_ms: Schema.NullOr(Schema.Finite),
  p99_ms: Schema.NullOr(Schema.Finite)
})
export interface RolloutSide extends Schema.Schema.Type<typeof RolloutSide> {}

/** Two versions that answered the same item otherwise. `input` is left out where the registry says so. */
export const Disagreement = Schema.Struct({
  input: Schema.optionalKey(Schema.String),
  default: Schema.String,
  target: Schema.String,
  max_abs_distance: Schema.NullOr(Schema.Finite)
})
export interface Disagreement extends Schema.Schema.Type<typeof Disagreement> {}

/** Items that both versions computed. */
export const RolloutComparison = Schema.Struct({
  items: Schema.Int,
  agreed: Schema.Int,
  /** Of the outputs' numbers; null where nothing was compared. */
  max_abs_distance: Schema.NullOr(Schema.Finite),
  mean_cosine: Schema.NullOr(Schema.Finite),
  /** Compared items that were not computed by the target, for it had other work. */
  dropped: Schema.Int,
  examples: Schema.Array(Disagreement)
})
export interface RolloutComparison extends Schema.Schema.Type<typeof RolloutComparison> {}

/** One decision, of the controller or of an operator, and what it was based on. */
export const RolloutDecision = Schema.Struct({
  /** ISO 8601, UTC. */
  at: Schema.String,
  /** `controller`, or who asked for it. */
  by: Schema.String,
  decision: Schema.Literals(["advance", "promote", "pass", "roll_back", "pause", "resume", "set_percentage"]),
  percentage: Schema.Finite,
  reason: Schema.String,
  default: Schema.optionalKey(RolloutSide),
  target: Schema.optionalKey(RolloutSide),
  comparison: Schema.optionalKey(RolloutComparison)
})
export interface RolloutDecision extends Schema.Schema.Type<typeof RolloutDecision> {}

export const RolloutStatus = Schema.Struct({
  model: Schema.String,
  type: Schema.Literals(["pinned", "canary", "shadow", "ab_test"]),
  phase: RolloutPhase,
  default_version: Schema.String,
  target_version: Schema.optionalKey(Schema.String),
  /** Of requests without a version: that the target answers, or of which a shadow computes a copy. */
  percentage: Schema.Finite,
  /** Of an A/B test: by version. */
  weights: Schema.optionalKey(Schema.Record(Schema.String, Schema.Finite)),
  /** Grows with each change, for `If-Match`. */
  revision: Schema.Int,
  default: Schema.optionalKey(RolloutSide),
  target: Schema.optionalKey(RolloutSide),
  comparison: Schema.optionalKey(RolloutComparison),
  /** The last ones, newest first. */
  decisions: Schema.Array(RolloutDecision)
})
export interface RolloutStatus extends Schema.Schema.Type<typeof RolloutStatus> {}
