import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Distribution, DURATION_BUCKETS } from "../../src/telemetry/Distribution.ts"

describe("Distribution", () => {
  it("counts a value in the first bucket whose bound it does not exceed", () => {
    const distribution = new Distribution([1, 2, 4])
    for (const value of [-1, 0, 1, 1.5, 2, 2.1, 4, 4.1, 1e9]) distribution.observe(value)
    assert.deepStrictEqual(Array.from(distribution.counts), [3, 2, 2, 2])
  })

  it("loses no observation, and adds none", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, min: -1, max: 20 })), (values) => {
        const distribution = new Distribution(DURATION_BUCKETS)
        for (const value of values) distribution.observe(value)
        assert.strictEqual(distribution.count, values.length)
        assert.strictEqual(distribution.counts.reduce((total, count) => total + count, 0), values.length)
        assert.closeTo(distribution.sum, values.reduce((total, value) => total + value, 0), 1e-9)
        DURATION_BUCKETS.forEach((bound, index) => {
          const upTo = distribution.counts.slice(0, index + 1).reduce((total, count) => total + count, 0)
          assert.strictEqual(upTo, values.filter((value) => value <= bound).length)
        })
      }),
      { seed: 3 }
    )
  })

  it("is not spoilt by what is no number", () => {
    const distribution = new Distribution([1])
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0.5]) {
      distribution.observe(value)
    }
    assert.deepStrictEqual([distribution.count, distribution.sum], [1, 0.5])
  })
})
