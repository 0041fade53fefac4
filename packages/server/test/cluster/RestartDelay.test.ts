import { assert, describe, it } from "@effect/vitest"
import { nextRestart } from "@sluice/server/cluster/RestartDelay"

/** The delays of a process that lives each time as long. */
const delaysOf = (...livedMs: ReadonlyArray<number>): ReadonlyArray<number> => {
  let count = 0
  return livedMs.map((lived) => {
    const restart = nextRestart(count, lived)
    count = restart.count
    return restart.delayMs
  })
}

describe("nextRestart", () => {
  it("waits 100 ms, then twice as long each time, and never more than 10 s", () => {
    assert.deepStrictEqual(delaysOf(...Array.from({ length: 10 }, () => 29_999)), [
      100,
      200,
      400,
      800,
      1600,
      3200,
      6400,
      10_000,
      10_000,
      10_000
    ])
    assert.strictEqual(nextRestart(100_000, 0).delayMs, 10_000)
  })

  it("begins anew after a process that lived for 30 s", () => {
    assert.deepStrictEqual(delaysOf(0, 0, 0, 30_000, 0), [100, 200, 400, 100, 200])
  })
})
