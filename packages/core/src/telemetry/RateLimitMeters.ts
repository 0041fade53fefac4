/**
 * What is counted of rate limits. Labels are few and known: no key's id and no model's name is among them.
 */
import type { FailMode, LimitMetric, LimitScope } from "../limits/Limits.ts"

export type LimitDecision = "allowed" | "denied"

export interface DecisionCount {
  readonly scope: LimitScope
  readonly metric: LimitMetric
  readonly allowed: number
  readonly denied: number
}

export class RateLimitMeters {
  readonly #decisions = new Map<string, { -readonly [K in keyof DecisionCount]: DecisionCount[K] }>()
  // Zero from the start, so that the first failure is an increase that an alert can see.
  readonly #storeErrors = new Map<"slow" | "failed", number>([["slow", 0], ["failed", 0]])
  readonly #fallbacks = new Map<FailMode, number>([["open", 0], ["closed", 0], ["local", 0]])

  get decisions(): Iterable<DecisionCount> {
    return this.#decisions.values()
  }

  get storeErrors(): ReadonlyMap<string, number> {
    return this.#storeErrors
  }

  get fallbacks(): ReadonlyMap<string, number> {
    return this.#fallbacks
  }

  /** A limit let a call in, or was one of those that refused it. */
  decided(scope: LimitScope, metric: LimitMetric, decision: LimitDecision): void {
    const key = `${scope}:${metric}`
    const count = this.#decisions.get(key) ?? { scope, metric, allowed: 0, denied: 0 }
    count[decision]++
    this.#decisions.set(key, count)
  }

  storeError(reason: "slow" | "failed"): void {
    this.#storeErrors.set(reason, (this.#storeErrors.get(reason) ?? 0) + 1)
  }

  /** A call was decided without the store. */
  fellBack(mode: FailMode): void {
    this.#fallbacks.set(mode, (this.#fallbacks.get(mode) ?? 0) + 1)
  }
}
