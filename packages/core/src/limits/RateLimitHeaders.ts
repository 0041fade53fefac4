/**
 * What callers are told of their limits: draft-ietf-httpapi-ratelimit-headers-10, whose values are structured fields (RFC
 * 9651), and a sentence where one is used up. Pure.
 */
import { InvalidInput, RateLimited } from "@sluice/domain/Errors"
import type { LimitPlan, PlannedTake } from "./LimitPlan.ts"
import { type LimitScope, printRate } from "./Limits.ts"
import type { LimitState } from "./RateLimitStore.ts"

/** Told to callers where it is not known when there is room, in milliseconds. */
export const unknownWaitMs = 1_000

/** `"key"` is the limit on requests; others say what they count. */
const nameOf = ({ metric, scope }: PlannedTake): string => metric === "requests" ? scope : `${scope}-${metric}`

/** The draft's unit of requests is the default. */
const units = { requests: "", items: `;qu="items"`, tokens: `;qu="tokens"`, concurrent: `;qu="concurrent-requests"` }

/** A window that is no whole number of seconds cannot be told. */
const windowOf = ({ take }: PlannedTake): string =>
  take.kind === "window" && take.windowMs % 1000 === 0 ? `;w=${take.windowMs / 1000}` : ""

const seconds = (ms: number): number => Math.ceil(ms / 1000)

/** `RateLimit-Policy`: each limit's amount `q`, what it counts `qu` and its window `w`, in seconds. */
const policyHeader = (plan: LimitPlan): string =>
  plan.map((planned) => `"${nameOf(planned)}";q=${planned.take.amount}${units[planned.metric]}${windowOf(planned)}`)
    .join(", ")

/** `RateLimit`: what is left of each, `r`, and in how many seconds some of what is used comes back, `t`. */
const remainingHeader = (plan: LimitPlan, states: ReadonlyArray<LimitState>): string =>
  plan.map((planned, i) => {
    const { backMs = 0, used = 0 } = states[i] ?? {}
    const remaining = Math.max(0, planned.take.amount - used)
    return `"${nameOf(planned)}";r=${remaining}${backMs > 0 ? `;t=${seconds(backMs)}` : ""}`
  }).join(", ")

export const limitHeaders = (
  plan: LimitPlan,
  states: ReadonlyArray<LimitState>
): Readonly<Record<string, string>> => ({
  "ratelimit": remainingHeader(plan, states),
  "ratelimit-policy": policyHeader(plan)
})

const owners: Readonly<Record<LimitScope, string>> = { key: "this key's", model: "the model's", global: "the server's" }

const limitText = ({ metric, scope, take }: PlannedTake): string =>
  take.kind === "slot"
    ? `${owners[scope]} limit of ${take.amount} calls at once`
    : `${owners[scope]} limit of ${metric}, ${printRate(take)},`

/** The refusal of a call of which something did not fit. */
export const refusalOf = (plan: LimitPlan, states: ReadonlyArray<LimitState>): RateLimited => {
  const full = plan.filter((_, i) => states[i]?.fits === false)
  const waitMs = states.reduce((longest, { fits, waitMs }) => fits ? longest : Math.max(longest, waitMs), 0)
  return new RateLimited({
    detail: full.map((planned) => `${limitText(planned)} is used up`).join("; "),
    retryAfterMs: waitMs === 0 ? unknownWaitMs : waitMs,
    rateLimit: remainingHeader(plan, states),
    rateLimitPolicy: policyHeader(plan)
  })
}

/** The refusal of a request that no waiting would help: it is no matter of time, so it is not told as one. */
export const tooManyItems = (planned: PlannedTake, items: number): InvalidInput =>
  new InvalidInput({
    detail: `${items} items are more than ${limitText(planned)} ever lets through at once: send at most ` +
      `${planned.take.amount} items a request`
  })
