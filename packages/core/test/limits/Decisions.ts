/**
 * Whether a limit was kept, and only that: judged by all decisions that were made, each with its time.
 */
import { assert } from "@effect/vitest"
import { exactAmount, stretchesPerWindow } from "../../src/limits/SlidingWindow.ts"

export interface Decision {
  readonly atMs: number
  readonly allowed: boolean
}

export interface JudgedLimit {
  readonly amount: number
  readonly windowMs: number
  /** Of each call. */
  readonly units: number
}

/** To whole microseconds, as stores count. */
const micros = (ms: number): number => Math.round(ms * 1000)

/**
 * No stretch of the window has more than the amount; and what was refused did not fit, even if units were counted for a
 * hundred-and-twenty-eighth of the window longer where the amount is large.
 */
export const judgeDecisions = (decisions: ReadonlyArray<Decision>, { amount, units, windowMs }: JudgedLimit): void => {
  const window = micros(windowMs)
  const slack = amount <= exactAmount ? 0 : window / stretchesPerWindow
  const ordered = decisions.toSorted((a, b) => a.atMs - b.atMs)
  const allowed: Array<number> = []
  let refused = 0
  for (const decision of ordered) {
    const at = micros(decision.atMs)
    const within = (span: number) => (allowed.length - 1 - allowed.findLastIndex((time) => time <= at - span)) * units
    if (decision.allowed) {
      assert.isAtMost(within(window) + units, amount, `allowed at ${decision.atMs}`)
      allowed.push(at)
    } else {
      refused++
      assert.isAbove(within(window + slack) + units, amount, `refused at ${decision.atMs}`)
    }
  }
  assert.isAbove(allowed.length, 0)
  assert.isAbove(refused, 0, "it was never asked for more than the amount")
}
