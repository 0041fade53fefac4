import { assert, describe, it } from "@effect/vitest"
import { planLimits } from "../../src/limits/LimitPlan.ts"
import type { Limits } from "../../src/limits/Limits.ts"
import { limitHeaders, refusalOf, tooManyItems } from "../../src/limits/RateLimitHeaders.ts"
import type { LimitState } from "../../src/limits/RateLimitStore.ts"

const perSecond = (amount: number) => ({ amount, windowMs: 1_000 })

const planOf = (key: Limits, global?: Limits) =>
  planLimits(
    { callerId: "ann", callerLimits: key, model: "m", modelLimits: undefined, items: 1 },
    { global, perKey: undefined }
  )

const state = (used: number, backMs = 0, waitMs?: number): LimitState => ({
  fits: waitMs === undefined,
  used,
  backMs,
  waitMs: waitMs ?? 0
})

describe("limitHeaders", () => {
  it("tell amount, window and what is left, as the draft has them", () => {
    assert.deepStrictEqual(limitHeaders(planOf({ requests: perSecond(100) }), [state(95, 400)]), {
      "ratelimit": `"key";r=5;t=1`,
      "ratelimit-policy": `"key";q=100;w=1`
    })
  })

  it("tell each limit of a call by a name of its own, with what it counts", () => {
    const minute = { amount: 5_000, windowMs: 60_000 }
    const plan = planOf({ requests: minute, items: minute, tokens: minute, concurrent: 4 }, { requests: perSecond(9) })
    const states = [state(1, 60_000), state(5_000, 1), state(6_000, 30_500), state(1), state(2, 999)]
    assert.deepStrictEqual(limitHeaders(plan, states), {
      "ratelimit":
        `"key";r=4999;t=60, "key-items";r=0;t=1, "key-tokens";r=0;t=31, "key-concurrent";r=3, "global";r=7;t=1`,
      "ratelimit-policy":
        `"key";q=5000;w=60, "key-items";q=5000;qu="items";w=60, "key-tokens";q=5000;qu="tokens";w=60, ` +
        `"key-concurrent";q=4;qu="concurrent-requests", "global";q=9;w=1`
    })
  })

  it("tell no window that is no whole number of seconds", () => {
    const { "ratelimit-policy": policy } = limitHeaders(planOf({ requests: { amount: 3, windowMs: 1_500 } }), [
      state(0)
    ])
    assert.strictEqual(policy, `"key";q=3`)
  })
})

describe("refusalOf", () => {
  it("names what is used up, and how long until all of it fits", () => {
    const plan = planOf({ requests: perSecond(100), items: { amount: 50, windowMs: 60_000 } }, { concurrent: 7 })
    const refusal = refusalOf(plan, [state(100, 10, 10), state(50, 200, 2_300), state(1)])
    assert.strictEqual(refusal.retryAfterMs, 2_300)
    assert.strictEqual(
      refusal.detail,
      "this key's limit of requests, 100/s, is used up; this key's limit of items, 50/min, is used up"
    )
    assert.strictEqual(refusal.rateLimit, `"key";r=0;t=1, "key-items";r=0;t=1, "global-concurrent";r=6`)
  })

  it("gives some time where it is not known when there is room", () => {
    const refusal = refusalOf(planOf({ concurrent: 2 }), [state(2, 0, 0)])
    assert.isAbove(refusal.retryAfterMs, 0)
    assert.include(refusal.detail, "limit of 2 calls at once")
  })
})

describe("tooManyItems", () => {
  it("says how many a request may have", () => {
    const [planned] = planOf({ items: perSecond(50) })
    assert.include(tooManyItems(planned!, 51).message, "send at most 50 items a request")
  })
})
