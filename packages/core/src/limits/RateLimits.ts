/**
 * The limits of a call: what it takes before it is answered, what it gives back, and what happens while the store of
 * limits does not answer. Callbacks throughout, for every limited call of every surface passes here.
 */
import { type InvalidInput, LimitsUnavailable, type RateLimited } from "@sluice/domain/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { randomUUID } from "node:crypto"
import type { Answered } from "../InferRequest.ts"
import { monotonicReader } from "../Monotonic.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { makeLeaseRenewal } from "./LeaseRenewal.ts"
import { type LimitedCall, type LimitPlan, neverFits, planLimits, tokenDebits } from "./LimitPlan.ts"
import type { FailMode, Limits } from "./Limits.ts"
import { limitHeaders, refusalOf, tooManyItems, unknownWaitMs } from "./RateLimitHeaders.ts"
import { RateLimitStore, type Taken } from "./RateLimitStore.ts"
import { memoryStore } from "./RateLimitStoreMemory.ts"

export interface RateLimitsOptions {
  /** Of the whole server. */
  readonly global: Limits | undefined
  /** Of each key that has none of its own. */
  readonly perKey: Limits | undefined
  readonly fail: FailMode
  /** Nothing is limited, whatever is configured. */
  readonly bypass: boolean
}

/** A call that was let in. */
export interface LimitPass {
  readonly headers: Readonly<Record<string, string>>
  /** Once, when it ends: with its answer, or without where the caller has left. */
  readonly leave: (answered: Answered | undefined) => void
}

export type LimitRefusal = RateLimited | LimitsUnavailable | InvalidInput

export class RateLimits extends Context.Service<RateLimits, {
  /** Whether anything limits the calls of such a caller and model. */
  readonly apply: (callerLimits: Limits | undefined, modelLimits: Limits | undefined) => boolean
  readonly plan: (call: LimitedCall) => LimitPlan
  /** `answer` is called once, at once where limits are counted in this process. */
  readonly enter: (
    plan: LimitPlan,
    items: number,
    answer: (entered: Result.Result<LimitPass, LimitRefusal>) => void
  ) => void
}>()("sluice/core/RateLimits") {
  static readonly layer = (options: RateLimitsOptions): Layer.Layer<RateLimits, never, RateLimitStore | Metrics> =>
    Layer.effect(
      RateLimits,
      Effect.gen(function*() {
        const store = yield* RateLimitStore
        const { rateLimits: meters } = yield* Metrics
        const ownStore = memoryStore(yield* monotonicReader)
        const leases = yield* makeLeaseRenewal

        /** What the call holds, and where. */
        const passOf = (
          plan: LimitPlan,
          from: RateLimitStore["Service"],
          lease: string,
          taken: Taken
        ): LimitPass => {
          const slotKeys = plan.filter(({ take }) => take.kind === "slot").map(({ take }) => take.key)
          if (slotKeys.length > 0) leases.hold(from, { lease, slotKeys })
          return {
            headers: limitHeaders(plan, taken.states),
            leave: (answered) => {
              if (slotKeys.length > 0) {
                leases.release(lease)
                from.release(slotKeys, lease)
              }
              const tokens = computedTokens(answered)
              const debits = tokens === 0 ? [] : tokenDebits(plan, tokens)
              // The store counts its own failures.
              if (debits.length > 0) from.take(debits, lease, ignore)
            }
          }
        }

        const judge = (
          plan: LimitPlan,
          from: RateLimitStore["Service"],
          lease: string,
          taken: Taken
        ): Result.Result<LimitPass, LimitRefusal> => {
          plan.forEach(({ metric, scope }, i) => {
            if (taken.allowed) meters.decided(scope, metric, "allowed")
            else if (taken.states[i]?.fits === false) meters.decided(scope, metric, "denied")
          })
          return taken.allowed
            ? Result.succeed(passOf(plan, from, lease, taken))
            : Result.fail(refusalOf(plan, taken.states))
        }

        return RateLimits.of({
          apply: (callerLimits, modelLimits) =>
            !options.bypass &&
            (options.global !== undefined || (callerLimits ?? options.perKey) !== undefined ||
              modelLimits !== undefined),
          plan: (call) => planLimits(call, options),
          enter: (plan, items, answer) => {
            const never = neverFits(plan)
            if (never !== undefined) return answer(Result.fail(tooManyItems(never, items)))
            const takes = plan.map(({ take }) => take)
            const lease = takes.some(({ kind }) => kind === "slot") ? randomUUID() : ""
            const enterBy = (from: RateLimitStore["Service"], onFailure: () => void): void =>
              from.take(
                takes,
                lease,
                (taken) => Result.isSuccess(taken) ? answer(judge(plan, from, lease, taken.success)) : onFailure()
              )
            const closed = (): void => answer(Result.fail(new LimitsUnavailable({ retryAfterMs: unknownWaitMs })))
            enterBy(store, () => {
              meters.fellBack(options.fail)
              if (options.fail === "open") answer(Result.succeed(unlimited))
              else if (options.fail === "closed") closed()
              else enterBy(ownStore, closed)
            })
          }
        })
      })
    )
}

const ignore = (): void => {}
const unlimited: LimitPass = { headers: {}, leave: ignore }

/** What the answer's items cost: tokens for text, 1 by default. Those that were known already cost nothing. */
const computedTokens = (answered: Answered | undefined): number => {
  if (answered === undefined || Result.isFailure(answered)) return 0
  let tokens = 0
  for (const item of answered.success.items) {
    if (Result.isSuccess(item) && !item.success.cached) tokens += item.success.cost
  }
  return Math.round(tokens)
}
