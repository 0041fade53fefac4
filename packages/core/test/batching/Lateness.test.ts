import { assert, describe, it } from "@effect/vitest"
import { Lateness } from "@sluice/core/batching/Lateness"
import * as fc from "fast-check"

const after = (requests: number, predictedMs: number, tookMs: number, lateness = new Lateness()) => {
  for (let i = 0; i < requests; i++) lateness.observe(predictedMs, tookMs)
  return lateness.factor
}

describe("Lateness", () => {
  it("learns by how much requests are later than predicted", () => {
    assert.closeTo(after(200, 100, 150), 1.5, 0.01)
  })

  it("lets nobody in for requests that are answered sooner", () => {
    assert.strictEqual(after(200, 100, 50), 1)
  })

  it("believes requests that are late sooner than requests that are not", () => {
    const lateness = new Lateness()
    after(16, 100, 200, lateness)
    const rise = lateness.factor - 1
    after(16, 100, 100, lateness)
    assert.isAbove(lateness.factor - 1, rise / 2)
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
        assert.isAtMost(lateness.factor, 2)
      })
    ))
})
