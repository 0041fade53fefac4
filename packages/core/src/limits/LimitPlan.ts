/**
 * Which limits a call has, and what it takes of each: of its key, of its model and of the whole server. Pure.
 */
import type { InferInput } from "../InferRequest.ts"
import { leaseMs } from "./LeaseRenewal.ts"
import type { LimitMetric, Limits, LimitScope } from "./Limits.ts"
import type { LimitTake } from "./RateLimitStore.ts"

/** Who calls which model with what. */
export interface LimitedCall {
  readonly callerId: string
  readonly callerLimits: Limits | undefined
  readonly model: string
  readonly modelLimits: Limits | undefined
  readonly items: number
}

export interface PlannedTake {
  readonly scope: LimitScope
  readonly metric: LimitMetric
  readonly take: LimitTake
}

export type LimitPlan = ReadonlyArray<PlannedTake>

/**
 * Keys of Redis start so. The number changes when what is kept changes its form, and its braces keep all limits in one slot
 * where Redis is a cluster. They are none of the cache's keys, which are cleared.
 */
export const LIMITS_ROOT = "sluice:limits:{1}:"

/** The window is part of the key: another one begins anew, another amount goes on with what is used. */
const windowTake = (
  scope: LimitScope,
  id: string,
  metric: "requests" | "items" | "tokens",
  rate: NonNullable<Limits["requests"]>,
  need: number,
  take: number
): PlannedTake => ({
  scope,
  metric,
  take: {
    kind: "window",
    key: `${LIMITS_ROOT}${scope}:${metric}:${rate.windowMs}:${id}`,
    amount: rate.amount,
    windowMs: rate.windowMs,
    need,
    take
  }
})

const add = (
  plan: Array<PlannedTake>,
  scope: LimitScope,
  id: string,
  limits: Limits,
  { items }: LimitedCall
): void => {
  if (limits.requests !== undefined) plan.push(windowTake(scope, id, "requests", limits.requests, 1, 1))
  if (limits.items !== undefined) plan.push(windowTake(scope, id, "items", limits.items, items, items))
  // How many tokens a call has is known when it is answered: it enters while any are left, and they are taken then.
  if (limits.tokens !== undefined) plan.push(windowTake(scope, id, "tokens", limits.tokens, 1, 0))
  if (limits.concurrent !== undefined) {
    const key = `${LIMITS_ROOT}${scope}:concurrent:${id}`
    plan.push({
      scope,
      metric: "concurrent",
      take: { kind: "slot", key, amount: limits.concurrent, leaseMs }
    })
  }
}

/** `perKey`: of every caller that has no limits of its own. */
export const planLimits = (
  call: LimitedCall,
  { global, perKey }: { readonly global: Limits | undefined; readonly perKey: Limits | undefined }
): LimitPlan => {
  const { callerId, callerLimits = perKey, model, modelLimits } = call
  const plan: Array<PlannedTake> = []
  if (callerLimits !== undefined) add(plan, "key", callerId, callerLimits, call)
  if (modelLimits !== undefined) add(plan, "model", model, modelLimits, call)
  if (global !== undefined) add(plan, "global", "", global, call)
  return plan
}

/** The limit on items that is smaller than the request: it will not fit however long its caller waits. */
export const neverFits = (plan: LimitPlan): PlannedTake | undefined =>
  plan.find(({ take }) => take.kind === "window" && take.need > take.amount)

/** Items of a request: of tensors, the first dimension. */
export const itemCount = (input: InferInput): number => {
  if (input._tag === "Items") return input.items.length
  for (const name in input.tensors) return input.tensors[name]?.shape[0] ?? 1
  return 1
}

/** What takes that many tokens when the call has been answered. It is never refused: they have been used. */
export const tokenDebits = (plan: LimitPlan, tokens: number): ReadonlyArray<LimitTake> =>
  plan.flatMap(({ metric, take }) =>
    metric === "tokens" && take.kind === "window" ? [{ ...take, need: 0, take: tokens }] : []
  )
