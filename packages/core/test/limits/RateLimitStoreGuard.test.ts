import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { RateLimitStore, RateLimitStoreError, type Taken } from "../../src/limits/RateLimitStore.ts"
import { guarded } from "../../src/limits/RateLimitStoreGuard.ts"
import { rate, slot } from "./RateLimitStoreConformance.ts"

type Answer = (taken: Result.Result<Taken, RateLimitStoreError>) => void

const taken: Taken = { allowed: true, atMs: 0, states: [] }
const broken = new RateLimitStoreError({ reason: "failed", cause: "broken" })

/** A store that answers when it is told to, by a clock that is moved by hand. */
const setUp = () => {
  let nowMs = 0
  let timers: Array<{ readonly atMs: number; readonly wake: () => void }> = []
  const asked: Array<Answer> = []
  const released: Array<string> = []
  const failures: Array<string> = []
  const store = guarded(
    RateLimitStore.of({
      take: (_, __, answer) => {
        asked.push(answer)
      },
      release: (keys, lease) => {
        released.push(...keys, lease)
      },
      renew: () => {}
    }),
    {
      budget: { operation: "50 millis", rest: "1 second" },
      now: () => nowMs,
      later: (delayMs, wake) => {
        timers.push({ atMs: nowMs + delayMs, wake })
      },
      failed: (reason) => {
        failures.push(reason)
      }
    }
  )
  const passTime = (ms: number): void => {
    nowMs += ms
    const due = timers.filter(({ atMs }) => atMs <= nowMs)
    timers = timers.filter(({ atMs }) => atMs > nowMs)
    for (const { wake } of due) wake()
  }
  /** Asks, and gives what has come of it so far. */
  const take = () => {
    const outcomes: Array<string> = []
    store.take([rate("a", 1, 1_000), slot("s", 1)], "lease", (outcome) => {
      outcomes.push(Result.isSuccess(outcome) ? "taken" : outcome.failure.reason)
    })
    return outcomes
  }
  return { asked, failures, passTime, released, take, timers: () => timers.length }
}

describe("the guard of a store of limits", () => {
  it("gives the store's answer", () => {
    const { asked, failures, take } = setUp()
    const outcome = take()
    assert.deepStrictEqual(outcome, [])
    asked[0]?.(Result.succeed(taken))
    assert.deepStrictEqual(outcome, ["taken"])
    assert.deepStrictEqual(failures, [])
  })

  it("waits for the budget, then answers once, and gives back what comes too late", () => {
    const { asked, failures, passTime, released, take } = setUp()
    const outcome = take()
    passTime(49)
    assert.deepStrictEqual(outcome, [])
    passTime(1)
    assert.deepStrictEqual(outcome, ["slow"])
    assert.deepStrictEqual(failures, ["slow"])
    asked[0]?.(Result.succeed(taken))
    assert.deepStrictEqual(outcome, ["slow"])
    assert.deepStrictEqual(released, [slot("s", 1).key, "lease"])
  })

  it("gives each call its own budget, with one timer for all", () => {
    const { asked, passTime, take, timers } = setUp()
    const first = take()
    passTime(30)
    const second = take()
    assert.strictEqual(timers(), 1)
    asked[0]?.(Result.succeed(taken))
    passTime(20)
    assert.deepStrictEqual([first, second], [["taken"], []])
    passTime(30)
    assert.deepStrictEqual(second, ["slow"])
    assert.strictEqual(timers(), 0)
  })

  it("leaves a store alone that failed, then asks it with one call only", () => {
    const { asked, failures, passTime, take } = setUp()
    take()
    asked[0]?.(Result.fail(broken))
    assert.deepStrictEqual(take(), ["resting"])
    passTime(999)
    assert.deepStrictEqual(take(), ["resting"])
    passTime(1)
    const probe = take()
    assert.deepStrictEqual(take(), ["resting"])
    asked[1]?.(Result.succeed(taken))
    assert.deepStrictEqual(probe, ["taken"])
    assert.deepStrictEqual(take(), [], "it is asked again")
    assert.strictEqual(asked.length, 3)
    assert.deepStrictEqual(failures, ["failed"])
  })

  it("asks a store again that answers late, without waiting for the end of its rest", () => {
    const { asked, passTime, take } = setUp()
    take()
    passTime(50)
    assert.deepStrictEqual(take(), ["resting"])
    asked[0]?.(Result.succeed(taken))
    assert.deepStrictEqual(take(), [])
    assert.strictEqual(asked.length, 2)
  })

  it("rests again when the one call fails, too", () => {
    const { asked, passTime, take } = setUp()
    take()
    asked[0]?.(Result.fail(broken))
    passTime(1_000)
    const probe = take()
    passTime(50)
    assert.deepStrictEqual(probe, ["slow"])
    assert.deepStrictEqual(take(), ["resting"])
    passTime(1_000)
    assert.deepStrictEqual(take(), [])
  })
})
