import { assert, describe, it } from "@effect/vitest"
import { ModelFailed } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import type { Answered, InferredItem } from "../../src/InferRequest.ts"
import type { LimitedCall } from "../../src/limits/LimitPlan.ts"
import type { FailMode, Limits } from "../../src/limits/Limits.ts"
import { type LimitPass, type LimitRefusal, RateLimits, type RateLimitsOptions } from "../../src/limits/RateLimits.ts"
import { RateLimitStore, RateLimitStoreError, type SlotHolder } from "../../src/limits/RateLimitStore.ts"
import { layerMemory } from "../../src/limits/RateLimitStoreMemory.ts"
import { Metrics } from "../../src/telemetry/Metrics.ts"

const perMinute = (amount: number) => ({ amount, windowMs: 60_000 })

const down = Layer.succeed(RateLimitStore, {
  take: (_, __, answer) => answer(Result.fail(new RateLimitStoreError({ reason: "failed" }))),
  release: () => {},
  renew: () => {}
})

/** A store that hears of no release. */
const deaf = Layer.effect(RateLimitStore, Effect.map(RateLimitStore, (store) => ({ ...store, release: () => {} })))
  .pipe(
    Layer.provide(layerMemory)
  )

const provide = (options: Partial<RateLimitsOptions>, store: Layer.Layer<RateLimitStore> = layerMemory) =>
  Effect.provide(
    RateLimits.layer({ global: undefined, perKey: undefined, fail: "local", bypass: false, ...options }).pipe(
      Layer.provide(store),
      Layer.provideMerge(Metrics.layer({ enabled: true }))
    )
  )

const enter = Effect.fnUntraced(function*(limits: Limits | undefined, items = 1, callerId = "ann") {
  const rateLimits = yield* RateLimits
  const call: LimitedCall = {
    callerId,
    callerLimits: limits,
    model: "m",
    modelLimits: undefined,
    items
  }
  return yield* Effect.callback<LimitPass, LimitRefusal>((resume) =>
    rateLimits.enter(rateLimits.plan(call), items, (entered) => resume(Effect.fromResult(entered)))
  )
})

const outcome = (limits: Limits | undefined, items = 1, callerId = "ann") =>
  Effect.map(
    Effect.result(enter(limits, items, callerId)),
    (entered) => Result.isSuccess(entered) ? "in" : entered.failure._tag
  )

const item = (cost: number, cached: boolean): Result.Result<InferredItem, never> =>
  Result.succeed({ outputs: {}, prediction: undefined, cost, cached, latencyMs: 1 })

const answerOf = (items: ReadonlyArray<Result.Result<InferredItem, ModelFailed>>): Answered =>
  Result.succeed({
    model: "m",
    version: "v1",
    precision: "fp32",
    signature: { inputs: [], outputs: [], batchable: true },
    items,
    cacheStatus: "miss",
    timings: { cache: 0, encode: 0, queue: 0, compute: 0, total: 0 }
  })

const counted = (name: string) =>
  Effect.map(
    Effect.flatMap(Metrics, ({ render }) => render),
    ({ body }) => body.split("\n").filter((line) => line.startsWith(name) && !line.endsWith(" 0"))
  )

describe("RateLimits", () => {
  it.effect("limits each key by itself, and all of them together", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* outcome(undefined, 1, "ann"), "in")
      assert.strictEqual(yield* outcome(undefined, 1, "ann"), "RateLimited")
      assert.strictEqual(yield* outcome(undefined, 1, "bob"), "in")
      assert.strictEqual(yield* outcome(undefined, 1, "eve"), "RateLimited", "the server's limit")
    }).pipe(provide({ perKey: { requests: perMinute(1) }, global: { requests: perMinute(2) } })))

  it.effect("says what is left beside each answer, and what is used up beside a refusal", () =>
    Effect.gen(function*() {
      const { headers } = yield* enter({ requests: perMinute(1) })
      assert.deepStrictEqual(headers, { "ratelimit": `"key";r=0;t=60`, "ratelimit-policy": `"key";q=1;w=60` })
      const refusal = yield* Effect.flip(enter({ requests: perMinute(1) }))
      assert.strictEqual(refusal._tag, "RateLimited")
      if (refusal._tag !== "RateLimited") return
      assert.strictEqual(refusal.rateLimit, `"key";r=0;t=60`)
      assert.strictEqual(refusal.rateLimitPolicy, `"key";q=1;w=60`)
      assert.strictEqual(refusal.retryAfterMs, 60_000)
    }).pipe(provide({})))

  it.effect("refuses a request that would never fit as one, not as one that came too soon", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* outcome({ items: perMinute(10) }, 11), "InvalidInput")
      assert.strictEqual(yield* outcome({ items: perMinute(10) }, 10), "in", "nothing was taken")
    }).pipe(provide({})))

  it.effect("holds a slot until the call ends, answered or left", () =>
    Effect.gen(function*() {
      const limits = { concurrent: 2 }
      const one = yield* enter(limits)
      const two = yield* enter(limits)
      assert.strictEqual(yield* outcome(limits), "RateLimited")
      one.leave(undefined)
      two.leave(answerOf([]))
      yield* enter(limits)
      yield* enter(limits)
      assert.strictEqual(yield* outcome(limits), "RateLimited")
    }).pipe(provide({})))

  it.effect("holds a slot for as long as its call is under way, and no longer where its release was lost", () =>
    Effect.gen(function*() {
      const limits = { concurrent: 1 }
      const { leave } = yield* enter(limits)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* outcome(limits), "RateLimited")
      leave(undefined)
      assert.strictEqual(yield* outcome(limits), "RateLimited", "the store did not hear of it")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* outcome(limits), "in")
    }).pipe(provide({}, deaf)))

  it.effect("renews what is held together, and nothing where nothing is", () => {
    const renewed: Array<number> = []
    const counting = Layer.effect(
      RateLimitStore,
      Effect.map(RateLimitStore, (store) => ({
        ...store,
        renew: (holders: ReadonlyArray<SlotHolder>) => {
          renewed.push(holders.length)
        }
      }))
    ).pipe(Layer.provide(layerMemory))
    return Effect.gen(function*() {
      yield* enter({ requests: perMinute(5) })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(renewed, [])
      const passes = [yield* enter({ concurrent: 2 }), yield* enter({ concurrent: 2 })]
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(renewed, [2])
      for (const { leave } of passes) leave(undefined)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(renewed, [2])
    }).pipe(provide({}, counting))
  })

  it.effect("takes tokens when they are known: of computed items, not of cached or failed ones", () =>
    Effect.gen(function*() {
      const limits = { tokens: perMinute(100) }
      const pass = yield* enter(limits)
      const failed = Result.fail(new ModelFailed({ model: "m", version: "v1" }))
      pass.leave(answerOf([item(60, false), item(500, true), failed]))
      const next = yield* enter(limits)
      assert.strictEqual(next.headers["ratelimit"], `"key-tokens";r=40;t=60`)
      next.leave(answerOf([item(55, false)]))
      assert.strictEqual(yield* outcome(limits), "RateLimited", "the limit was passed, and is paid for")
    }).pipe(provide({})))

  it.effect("limits nothing when it is told to", () =>
    Effect.gen(function*() {
      const { apply } = yield* RateLimits
      assert.isFalse(apply({ requests: perMinute(1) }, { requests: perMinute(1) }))
    }).pipe(provide({ bypass: true, global: { requests: perMinute(1) } })))

  it.effect("applies to calls that have a limit, and to no others", () =>
    Effect.gen(function*() {
      const { apply } = yield* RateLimits
      assert.isFalse(apply(undefined, undefined))
      assert.isTrue(apply({ requests: perMinute(1) }, undefined))
      assert.isTrue(apply(undefined, { requests: perMinute(1) }))
    }).pipe(provide({})))

  const whenDown: ReadonlyArray<readonly [FailMode, ReadonlyArray<string>]> = [
    ["open", ["in", "in"]],
    ["closed", ["LimitsUnavailable", "LimitsUnavailable"]],
    ["local", ["in", "RateLimited"]]
  ]
  for (const [fail, expected] of whenDown) {
    it.effect(`is ${fail} while the store does not answer, and counts that`, () =>
      Effect.gen(function*() {
        const limits = { requests: perMinute(1) }
        assert.deepStrictEqual([yield* outcome(limits), yield* outcome(limits)], expected)
        assert.deepStrictEqual(yield* counted("sluice_rate_limit_fallbacks_total"), [
          `sluice_rate_limit_fallbacks_total{mode="${fail}"} 2`
        ])
      }).pipe(provide({ fail }, down)))
  }

  it.effect("counts what each limit decided, by no name of a caller or model", () =>
    Effect.gen(function*() {
      const limits = { requests: perMinute(1), concurrent: 5 }
      yield* outcome(limits)
      yield* outcome(limits)
      assert.deepStrictEqual((yield* counted("sluice_rate_limit_decisions_total")).toSorted(), [
        `sluice_rate_limit_decisions_total{limit="key",metric="concurrent",decision="allowed"} 1`,
        `sluice_rate_limit_decisions_total{limit="key",metric="requests",decision="allowed"} 1`,
        `sluice_rate_limit_decisions_total{limit="key",metric="requests",decision="denied"} 1`
      ])
    }).pipe(provide({})))
})
