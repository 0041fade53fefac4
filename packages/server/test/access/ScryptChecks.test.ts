import { assert, describe, it } from "@effect/vitest"
import { makeScryptChecks } from "@sluice/server/access/ScryptChecks"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

const hash = { cost: 1024, blockSize: 8, parallelization: 1, salt: Buffer.alloc(16), hash: Buffer.alloc(32) }

/** Checks that wait until they are let go; right is the key "right". */
const gated = Effect.gen(function*() {
  const gate = Deferred.makeUnsafe<void>()
  const seen = { begun: 0, running: 0, most: 0 }
  const checks = yield* makeScryptChecks((key) =>
    Effect.gen(function*() {
      seen.begun++
      seen.most = Math.max(seen.most, ++seen.running)
      yield* Deferred.await(gate)
      seen.running--
      return key === "right"
    })
  )
  const ask = (key: string) =>
    Effect.forkChild(Effect.result(checks.matches(key, key, hash)), { startImmediately: true })
  return { ask, seen, open: Deferred.succeed(gate, undefined) }
})

describe("checks by scrypt", () => {
  it.effect("run one at a time, and once for all who bring the same key meanwhile", () =>
    Effect.gen(function*() {
      const { ask, open, seen } = yield* gated
      const fibers = yield* Effect.forEach(["right", "wrong", "right", "right", "other"], ask)
      yield* open
      const answers = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(
        answers.map((answer) => answer._tag === "Success" && answer.success),
        [true, false, true, true, false]
      )
      assert.deepStrictEqual(seen, { begun: 3, running: 0, most: 1 })
    }))

  it.effect("are refused beyond a bounded number, with a time to come back, and taken again later", () =>
    Effect.gen(function*() {
      const { ask, open, seen } = yield* gated
      const flood = yield* Effect.forEach(Array.from({ length: 1000 }, (_, index) => `wrong ${index}`), ask)
      const late = yield* Fiber.join(yield* ask("right"))
      if (late._tag !== "Failure") return assert.fail("it was not refused")
      assert.strictEqual(late.failure._tag, "RateLimited")
      assert.isAbove(late.failure.retryAfterMs, 0)
      yield* open
      yield* Effect.forEach(flood, Fiber.join)
      assert.isBelow(seen.begun, 50)
      assert.deepStrictEqual((yield* Fiber.join(yield* ask("right")))._tag, "Success")
    }))

  it.effect("go on for the others when the one who came first leaves", () =>
    Effect.gen(function*() {
      const { ask, open, seen } = yield* gated
      const first = yield* ask("right")
      const second = yield* ask("right")
      yield* Fiber.interrupt(first)
      yield* open
      const answer = yield* Fiber.join(second)
      assert.isTrue(answer._tag === "Success" && answer.success)
      assert.strictEqual(seen.begun, 1)
    }))
})
