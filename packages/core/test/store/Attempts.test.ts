import { assert, describe, it } from "@effect/vitest"
import { persistently, retryAfterMs, waitBefore } from "@sluice/core/store/Attempts"
import { PullFailed } from "@sluice/core/store/StoreErrors"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"

const cut = new PullFailed({ kind: "unreachable", reason: "cut", transient: true })
const busy = (seconds: number) =>
  new PullFailed({ kind: "busy", reason: "busy", transient: true, retryAfterMs: seconds * 1000 })

describe("waitBefore", () => {
  it("grows, is bounded, and is never less than was asked for", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
        const wait = waitBefore(cut, failures, random)
        assert.isNumber(wait)
        assert.isAtLeast(Number(wait), 125 * 2 ** (failures - 1))
        assert.isAtMost(Number(wait), 10_000)
        assert.isAtLeast(Number(waitBefore(busy(30), failures, random)), 30_000)
      })
    )
  })

  it("ends after five failures in a row, at once for what stays, and for a wait that is too long", () => {
    assert.instanceOf(waitBefore(cut, 5, 0), PullFailed)
    assert.instanceOf(waitBefore(new PullFailed({ kind: "missing", reason: "gone" }), 1, 0), PullFailed)
    assert.instanceOf(waitBefore(busy(61), 1, 0), PullFailed)
  })
})

describe("persistently", () => {
  const attempts = Effect.fnUntraced(function*(bytesEach: number) {
    let made = 0
    const attempt = Effect.suspend(() => ++made < 20 ? Effect.fail(cut) : Effect.succeed(made))
    const fiber = yield* Effect.forkChild(Effect.exit(persistently(attempt, () => made * bytesEach)))
    yield* TestClock.adjust("10 minutes")
    yield* Fiber.join(fiber)
    return made
  })

  it.effect("counts failures anew with each MiB that has come", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* attempts(1024 * 1024), 20)
      assert.strictEqual(yield* attempts(300_000), 20)
    }))

  it.effect("ends where a byte or little more comes each time", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* attempts(1), 5)
      assert.strictEqual(yield* attempts(100_000), 5)
    }))

  it.effect("ends where nothing more comes", () =>
    Effect.gen(function*() {
      let attempts = 0
      const attempt = Effect.suspend(() => {
        attempts++
        return Effect.fail(cut)
      })
      const fiber = yield* Effect.forkChild(Effect.flip(persistently(attempt)))
      yield* TestClock.adjust("10 minutes")
      assert.match((yield* Fiber.join(fiber)).message, /5 times in a row/)
      assert.strictEqual(attempts, 5)
    }))
})

describe("retryAfterMs", () => {
  it("reads seconds and dates", () => {
    assert.strictEqual(retryAfterMs("120", 0), 120_000)
    assert.strictEqual(retryAfterMs("Thu, 01 Jan 1970 00:02:00 GMT", 60_000), 60_000)
    assert.strictEqual(retryAfterMs("Thu, 01 Jan 1970 00:00:00 GMT", 60_000), 0)
    assert.isUndefined(retryAfterMs("soon", 0))
    assert.isUndefined(retryAfterMs(undefined, 0))
  })
})
