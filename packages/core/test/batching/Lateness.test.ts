import { assert, describe, it } from "@effect/vitest"
import { Lateness } from "@sluice/core/batching/Lateness"
import * as fc from "fast-check"

const after = (requests: number, predictedMs: number, tookMs: number, lateness = new Lateness()) => {
  for (let i = 0; i < requests; i++) lateness.observe(predictedMs, tookMs)
  return lateness.factor
}

describe("Lateness", () => {
  it("learns by how much requests are later than predicted", () => {
    assert.closeTo(after(500, 100, 150), 1.5, 0.15)
  })

  it("lets all but a few be in time, where requests vary", () => {
    const lateness = new Lateness()
    // A fixed sequence that fills 0..1 evenly, and a ratio from 0.5 to 2 with as many below 1 as above.
    const took = (i: number) => 100 * 4 ** ((i * 0.618_033_988_75) % 1 - 0.5)
    for (let i = 0; i < 5_000; i++) lateness.observe(100, took(i))
    let late = 0
    for (let i = 5_000; i < 10_000; i++) {
      if (took(i) > 100 * lateness.factor) late++
      lateness.observe(100, took(i))
    }
    assert.isBelow(late / 5_000, 0.05)
    assert.isAbove(late, 0)
  })

  it("lets nobody in for requests that are answered sooner", () => {
    assert.strictEqual(after(200, 100, 50), 1)
  })

  it("comes back when requests are in time again", () => {
    const lateness = new Lateness()
    assert.isAbove(after(100, 100, 300, lateness), 2)
    assert.strictEqual(after(5_000, 100, 90, lateness), 1)
  })

  it("takes no notice of requests that hardly waited", () => {
    assert.strictEqual(after(200, 5, 50), 1)
    assert.strictEqual(after(200, 0, 500), 1)
  })

  it("stays within its bounds, whatever it is told", () =>
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.double(), fc.double())), (requests) => {
        const lateness = new Lateness()
        for (const [predictedMs, tookMs] of requests) lateness.observe(predictedMs, tookMs)
        assert.isAtLeast(lateness.factor, 1)
        assert.isAtMost(lateness.factor, 3.001)
      })
    ))
})
