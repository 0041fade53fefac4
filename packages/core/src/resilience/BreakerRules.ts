/**
 * When a circuit opens, and for how long: the settings' rules, and what a model's entry in the registry says otherwise.
 */
import * as Duration from "effect/Duration"
import * as Breaker from "effect/persistence/CircuitBreaker"

export interface BreakerRules {
  /** `consecutive`: after `failures` in a row. `rate`: at a share of failures among the last calls. */
  readonly policy: "consecutive" | "rate"
  readonly failures: number
  /** 0 to 1, of the last `windowCalls` calls, once there are `minimumCalls`. */
  readonly rateThreshold: number
  readonly windowCalls: number
  readonly minimumCalls: number
  /** How long an open circuit refuses before it lets one call through to probe. */
  readonly openDuration: Duration.Duration
}

/** What a model's entry says of its circuits; the settings hold where undefined. */
export type BreakerEntry = { readonly [Rule in keyof BreakerRules]: BreakerRules[Rule] | undefined }

export const defaultBreakerRules: BreakerRules = {
  policy: "consecutive",
  failures: 5,
  rateThreshold: 0.5,
  windowCalls: 100,
  minimumCalls: 20,
  openDuration: Duration.seconds(10)
}

/** The rules of a model's circuits. */
export const rulesOf = (defaults: BreakerRules, entry: BreakerEntry | undefined): BreakerRules =>
  entry === undefined ? defaults : {
    policy: entry.policy ?? defaults.policy,
    failures: entry.failures ?? defaults.failures,
    rateThreshold: entry.rateThreshold ?? defaults.rateThreshold,
    windowCalls: entry.windowCalls ?? defaults.windowCalls,
    minimumCalls: entry.minimumCalls ?? defaults.minimumCalls,
    openDuration: entry.openDuration ?? defaults.openDuration
  }

/** In the terms of Effect's breaker. A window is never smaller than the calls that must be in it. */
export const tripPolicyOf = (rules: BreakerRules): Breaker.TripPolicy =>
  rules.policy === "consecutive"
    ? Breaker.consecutive(rules.failures)
    : Breaker.rate({
      threshold: rules.rateThreshold,
      size: rules.windowCalls,
      minimumCalls: Math.min(rules.minimumCalls, rules.windowCalls)
    })
