import { assert, describe, it } from "@effect/vitest"
import { Lateness } from "@sluice/core/batching/Lateness"
import * as fc from "fast-check"

/** So many requests at one moment. */
const after = (requests: number, predictedMs: number, tookMs: number, lateness = new Lateness(), nowMs = 0) => {
  for (let i = 0; i < requests; i++) lateness.observe(predictedMs, tookMs, nowMs)
  return lateness.factor(nowMs)
}

describe("Lateness", () => {
  it("learns by how much requests are later than predicted", () => {
    assert.closeTo(after(500, 100, 150), 1.5, 0.15)
  })

  it("lets all but a few be in time, where requests vary", () => {
    const lateness = new Lateness()
    // A fixed sequence that fills 0..1 evenly, and a ratio from 0.5 to 2 with as many below 1 as above.
    const took = (i: number) => 100 * 4 ** ((i * 0.618_033_988_75) % 1 - 0.5)
    for (let i = 0; i < 5_000; i++) lateness.observe(100, took(i), 0)
    let late = 0
    for (let i = 5_000; i < 10_000; i++) {
      if (took(i) > 100 * lateness.factor(0)) late++
      lateness.observe(100, took(i), 0)
    }
    assert.isBelow(late / 5_000, 0.05)
    assert.isAbove(late, 0)
  })

  it("takes no request for late that is answered sooner than predicted", () => {
    assert.strictEqual(after(200, 100, 50), 1)
  })

  it("forgets with time, without any further request", () => {
    const lateness = new Lateness()
    assert.isAbove(after(100, 100, 300, lateness), 2)
    assert.isBelow(lateness.factor(10_000), 1.4)
    assert.closeTo(lateness.factor(120_000), 1, 1e-6)
  })

  it("takes no notice of requests that hardly waited", () => {
    assert.strictEqual(after(200, 5, 50), 1)
    assert.strictEqual(after(200, 0, 500), 1)
  })

  it("stays within its bounds, whatever it is told", () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.double(), fc.double(), fc.nat())), (requests) => {
        const lateness = new Lateness()
        for (const [predictedMs, tookMs, nowMs] of requests) {
          lateness.observe(predictedMs, tookMs, nowMs)
          assert.isAtLeast(lateness.factor(nowMs), 1)
          assert.isAtMost(lateness.factor(nowMs), 3.001)
        }
      })
    ))
})
