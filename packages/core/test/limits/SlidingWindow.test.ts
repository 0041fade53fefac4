import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { mostStretches, SlidingWindow } from "../../src/limits/SlidingWindow.ts"
import { type Decision, judgeDecisions } from "./Decisions.ts"

const windowMs = 1_000

/** Asks for so many units at those times, and gives what was decided. */
const ask = (amount: number, units: number, gaps: ReadonlyArray<number>): ReadonlyArray<Decision> => {
  const window = new SlidingWindow(windowMs)
  let atMs = 0
  return gaps.map((gap) => {
    atMs += gap
    const allowed = window.look(atMs, amount, units).fits
    if (allowed) window.add(atMs, amount, units)
    return { atMs, allowed }
  })
}

/** Some at once, some apart, and pauses that let the window become empty. */
const gaps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 3 }) },
    { weight: 3, arbitrary: fc.integer({ min: 4, max: 60 }) },
    { weight: 1, arbitrary: fc.integer({ min: 500, max: 2_500 }) }
  ),
  { minLength: 300, maxLength: 600 }
)

describe("SlidingWindow", () => {
  it("keeps any limit at any traffic, and refuses nothing that would fit", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 50 }), gaps, (calls, units, gaps) => {
        const crowd = [...gaps, ...Array.from({ length: calls + 1 }, () => 0)]
        judgeDecisions(ask(calls * units, units, crowd), { amount: calls * units, windowMs, units })
      }),
      { numRuns: 60 }
    )
  })

  it.each([[100, 1], [129, 1], [1_000, 1], [100_000, 100]])(
    "lets 98 %% of %d through at six times that, %d a call",
    (amount, units) => {
      const calls = Math.ceil(60 * amount / units)
      const decisions = ask(amount, units, Array.from({ length: calls }, () => windowMs * units / amount / 6))
      const allowed = decisions.filter((decision) => decision.allowed).length * units
      assert.isAtLeast(allowed, 0.98 * 10 * amount)
      assert.isAtMost(allowed, 10 * amount)
    }
  )

  it("says to the moment when there will be room", () => {
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 }), (gaps, amount, need) => {
        fc.pre(need <= amount)
        const window = new SlidingWindow(windowMs)
        let nowMs = 0
        for (const gap of gaps) {
          nowMs += gap
          if (window.look(nowMs, amount, 1).fits) window.add(nowMs, amount, 1)
        }
        const { fits, waitMs } = window.look(nowMs, amount, need)
        if (fits) return assert.strictEqual(waitMs, 0)
        assert.isAbove(waitMs, 0)
        // Whole milliseconds went in, so none of it lies between
        assert.isFalse(window.look(nowMs + waitMs - 1, amount, need).fits)
        assert.isTrue(window.look(nowMs + waitMs, amount, need).fits)
      })
    )
  })

  it("counts what is debited beyond the amount, in bounded memory", () => {
    const window = new SlidingWindow(windowMs)
    for (let i = 0; i < 10 * mostStretches; i++) window.add(i / 100, 1, 1)
    assert.strictEqual(window.look(20, 1, 1).used, 10 * mostStretches)
    assert.isFalse(window.isEmpty(1_000))
    assert.isTrue(window.isEmpty(1_016))
  })
})
