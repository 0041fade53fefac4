/**
 * What every store of rate limits does, whatever it counts in.
 */
import { assert, type it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { LIMITS_ROOT } from "../../src/limits/LimitPlan.ts"
import {
  type LimitTake,
  RateLimitStore,
  type RateLimitStoreError,
  type SlotTake,
  type Taken,
  type WindowTake
} from "../../src/limits/RateLimitStore.ts"
import { judgeDecisions } from "./Decisions.ts"

export interface StoreUnderTest {
  /** An empty store, each time it is built. */
  readonly layer: Layer.Layer<RateLimitStore>
  /** `it.effect` where time is virtual, `it.live` where it is the store's own. */
  readonly run: typeof it.effect
  readonly passTime: (duration: Duration.Duration) => Effect.Effect<void>
}

export const take = (
  takes: ReadonlyArray<LimitTake>,
  lease = ""
): Effect.Effect<Taken, RateLimitStoreError, RateLimitStore> =>
  Effect.flatMap(RateLimitStore, (store) =>
    Effect.callback((resume) => {
      store.take(takes, lease, (taken) => resume(Effect.fromResult(taken)))
    }))

const release = (slot: SlotTake, lease: string) =>
  Effect.map(RateLimitStore, (store) => store.release([slot.key], lease))

export const rate = (name: string, amount: number, windowMs: number, units = 1): WindowTake => ({
  kind: "window",
  key: `${LIMITS_ROOT}${name}`,
  amount,
  windowMs,
  need: units,
  take: units
})

export const slot = (name: string, amount: number, leaseMs = 60_000): SlotTake => ({
  kind: "slot",
  key: `${LIMITS_ROOT}${name}`,
  amount,
  leaseMs
})

export const rateLimitStoreConformance = ({ layer, passTime, run }: StoreUnderTest): void => {
  const test = (name: string, body: Effect.Effect<void, unknown, RateLimitStore>) =>
    run(name, () => body.pipe(Effect.provide(layer)))
  const long = 60_000

  test(
    "lets the amount through and no more, and says what is used",
    Effect.gen(function*() {
      for (let used = 1; used <= 3; used++) {
        const { allowed, states } = yield* take([rate("a", 3, long)])
        assert.isTrue(allowed)
        assert.strictEqual(states[0]?.used, used)
        assert.isAbove(states[0]?.backMs ?? 0, long - 10_000)
        assert.isAtMost(states[0]?.backMs ?? 0, long)
      }
      const refused = yield* take([rate("a", 3, long)])
      assert.isFalse(refused.allowed)
      assert.isFalse(refused.states[0]?.fits)
      assert.strictEqual(refused.states[0]?.used, 3)
      assert.isAbove(refused.states[0]?.waitMs ?? 0, long - 10_000)
      assert.isTrue((yield* take([rate("b", 3, long)])).allowed, "another key")
    })
  )

  test(
    "has room again when the first have left, one after the other",
    Effect.gen(function*() {
      const windowMs = 1_000
      const limit = rate("a", 2, windowMs)
      const first = yield* take([limit])
      yield* passTime(Duration.millis(100))
      const second = yield* take([limit])
      const full = yield* take([limit])
      // What is expected goes by the times of the decisions, since real time may stand still in between.
      const isIn = (taken: Taken, at: Taken) => at.atMs - taken.atMs < windowMs
      assert.strictEqual(full.allowed, !isIn(first, full))
      yield* passTime(Duration.millis(full.states[0]!.waitMs + 1))
      const again = yield* take([limit])
      assert.isTrue(again.allowed)
      assert.strictEqual(again.states[0]?.used, [first, second, again].filter((taken) => isIn(taken, again)).length)
    })
  )

  test(
    "counts refused calls as nothing",
    Effect.gen(function*() {
      const limit = rate("a", 1, 300)
      const first = yield* take([limit])
      let last = yield* take([limit])
      while (!last.allowed) {
        yield* passTime(Duration.millis(20))
        last = yield* take([limit])
      }
      assert.isAtLeast(last.atMs - first.atMs, 299.999)
      assert.strictEqual(last.states[0]?.used, 1)
    })
  )

  test(
    "takes of several limits all or nothing",
    Effect.gen(function*() {
      const wide = rate("wide", 10, long)
      const narrow = rate("narrow", 1, long)
      const slots = slot("slots", 5)
      assert.isTrue((yield* take([wide, narrow, slots], "one")).allowed)
      const refused = yield* take([wide, narrow, slots], "two")
      assert.isFalse(refused.allowed)
      assert.deepStrictEqual(refused.states.map(({ fits }) => fits), [true, false, true])
      assert.deepStrictEqual(refused.states.map(({ used }) => used), [1, 1, 1])
      const look = yield* take([{ ...wide, need: 0, take: 0 }])
      assert.strictEqual(look.states[0]?.used, 1)
      assert.strictEqual((yield* take([slots], "three")).states[0]?.used, 2)
    })
  )

  test(
    "takes many units at once where they fit, and says how long for",
    Effect.gen(function*() {
      assert.isTrue((yield* take([rate("a", 10, long, 7)])).allowed)
      yield* passTime(Duration.millis(50))
      assert.isTrue((yield* take([rate("a", 10, long, 2)])).allowed)
      assert.isFalse((yield* take([rate("a", 10, long, 2)])).allowed)
      assert.isTrue((yield* take([rate("a", 10, long, 1)])).allowed)
      const few = yield* take([rate("a", 10, long, 7)])
      const all = yield* take([rate("a", 10, long, 8)])
      const roomAt = ({ atMs, states }: Taken) => atMs + states[0]!.waitMs
      assert.isAtLeast(roomAt(all) - roomAt(few), 49, "the second must leave, too")
    })
  )

  test(
    "never refuses what needs nothing, and counts it",
    Effect.gen(function*() {
      const debit: WindowTake = { ...rate("a", 10, long), need: 0, take: 25 }
      const enter: WindowTake = { ...rate("a", 10, long), need: 1, take: 0 }
      assert.isTrue((yield* take([enter])).allowed)
      assert.strictEqual((yield* take([debit])).states[0]?.used, 25)
      assert.isTrue((yield* take([debit])).allowed)
      const refused = yield* take([enter])
      assert.isFalse(refused.allowed)
      assert.strictEqual(refused.states[0]?.used, 50)
    })
  )

  test(
    "holds what many debits take",
    Effect.gen(function*() {
      const debit: WindowTake = { ...rate("a", 10, long), need: 0, take: 1 }
      for (let i = 0; i < 400; i++) yield* take([debit])
      assert.strictEqual((yield* take([{ ...debit, take: 0 }])).states[0]?.used, 400)
    })
  )

  test(
    "goes on with what is used when the amount changes",
    Effect.gen(function*() {
      yield* take([rate("a", 5, long, 5)])
      assert.isFalse((yield* take([rate("a", 3, long)])).allowed)
      assert.strictEqual((yield* take([rate("a", 6, long)])).states[0]?.used, 6)
    })
  )

  test(
    "gives a slot to each holder until none is left, and again when one is released",
    Effect.gen(function*() {
      const limit = slot("a", 2)
      assert.isTrue((yield* take([limit], "one")).allowed)
      assert.isTrue((yield* take([limit], "two")).allowed)
      const refused = yield* take([limit], "three")
      assert.isFalse(refused.allowed)
      assert.strictEqual(refused.states[0]?.used, 2)
      yield* release(limit, "nobody")
      assert.isFalse((yield* take([limit], "three")).allowed)
      yield* release(limit, "one")
      assert.isTrue((yield* take([limit], "three")).allowed)
      assert.isFalse((yield* take([limit], "four")).allowed)
    })
  )

  test(
    "takes a slot back when its lease is over",
    Effect.gen(function*() {
      const leaseMs = 500
      const dead = yield* take([slot("a", 2, leaseMs)], "dead")
      assert.isTrue((yield* take([slot("a", 2)], "alive")).allowed)
      let next = yield* take([slot("a", 2)], "next")
      while (!next.allowed) {
        yield* passTime(Duration.millis(20))
        next = yield* take([slot("a", 2)], "next")
      }
      assert.isAtLeast(next.atMs - dead.atMs, leaseMs - 0.001)
      assert.isFalse((yield* take([slot("a", 2)], "last")).allowed)
    })
  )

  test(
    "holds a slot on while its lease is renewed, also one that was lost",
    Effect.gen(function*() {
      const leaseMs = 500
      const limit = slot("a", 1, leaseMs)
      const { renew } = yield* RateLimitStore
      renew([{ lease: "lost", slotKeys: [limit.key] }], 60_000)
      assert.isFalse((yield* take([limit], "one")).allowed)
      yield* release(limit, "lost")
      assert.isTrue((yield* take([limit], "one")).allowed)
      renew([{ lease: "one", slotKeys: [limit.key, slot("b", 1).key] }], 60_000)
      yield* passTime(Duration.millis(leaseMs + 1))
      assert.isFalse((yield* take([limit], "two")).allowed)
      assert.isFalse((yield* take([slot("b", 1)], "two")).allowed)
      renew([{ lease: "one", slotKeys: [limit.key] }], 1)
      yield* passTime(Duration.millis(10))
      assert.isTrue((yield* take([limit], "two")).allowed)
    })
  )

  for (const amount of [40, 1_000]) {
    test(
      `has at most ${amount} in every stretch of the window, and refuses nothing that would fit`,
      Effect.gen(function*() {
        const windowMs = 500
        const units = amount / 40
        const limit = rate("a", amount, windowMs, units)
        const decisions: Array<Taken> = []
        while ((decisions.at(-1)?.atMs ?? 0) - (decisions[0]?.atMs ?? 0) < 3 * windowMs) {
          decisions.push(yield* take([limit]))
          yield* passTime(Duration.millis(2))
        }
        judgeDecisions(decisions, { amount, windowMs, units })
      })
    )
  }
}
