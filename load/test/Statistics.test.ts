import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { cosine, figure, median, percentile, ratios, spread } from "../src/report/Statistics.ts"

const figures = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 })

describe("median", () => {
  it("is the middle value, or the mean of the two in the middle", () => {
    assert.strictEqual(median([3, 1, 2]), 2)
    assert.strictEqual(median([10, 1, 2, 3]), 2.5)
    assert.isNaN(median([]))
    assert.isNaN(median([1, NaN, 2]))
  })

  it("has as many values on either side", () => {
    fc.assert(fc.property(figures, (values) => {
      const middle = median(values)
      const below = values.filter((value) => value < middle).length
      const above = values.filter((value) => value > middle).length
      return below <= values.length / 2 && above <= values.length / 2
    }))
  })
})

describe("percentile", () => {
  it("is the nearest rank", () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i)
    assert.strictEqual(percentile(values, 50), 50)
    assert.strictEqual(percentile(values, 99), 99)
    assert.strictEqual(percentile(values, 100), 100)
    assert.strictEqual(percentile([7], 99), 7)
    assert.isNaN(percentile([], 99))
  })

  it("was measured, and enough of the others are not above it", () => {
    fc.assert(fc.property(figures, fc.integer({ min: 1, max: 100 }), (values, percent) => {
      const found = percentile(values, percent)
      const notAbove = values.filter((value) => value <= found).length
      return values.includes(found) && notAbove * 100 >= percent * values.length
    }))
  })
})

describe("figures in tables", () => {
  it("keep three digits that matter", () => {
    assert.strictEqual(figure(0), "0.00")
    assert.strictEqual(figure(0.012345), "0.0123")
    assert.strictEqual(figure(1.23456), "1.23")
    assert.strictEqual(figure(123.456), "123")
    assert.strictEqual(figure(24_600.4), "24600")
    assert.strictEqual(figure(NaN), "none")
  })

  it("say how far the rounds lie apart", () => {
    assert.strictEqual(spread([2, 1, 4]), "2.00 (1.00..4.00)")
    assert.strictEqual(spread([2]), "2.00")
    assert.strictEqual(spread([]), "none")
  })
})

it("ratios are taken round by round", () => {
  assert.deepStrictEqual(ratios([1, 6], [2, 3]), [0.5, 2])
  assert.isNaN(ratios([1, 1], [1])[1])
})

it("the cosine is 1 for the same direction, 0 for a right angle", () => {
  assert.closeTo(cosine([1, 2], [2, 4]), 1, 1e-12)
  assert.strictEqual(cosine([1, 0], [0, 3]), 0)
})
