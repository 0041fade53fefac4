import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { activate, floats, meanPool, normaliseRows } from "../src/Vectors.ts"

const fp32 = (shape: ReadonlyArray<number>, values: ReadonlyArray<number>) => ({
  datatype: "FP32" as const,
  shape,
  data: Float32Array.from(values)
})

const mask = (shape: ReadonlyArray<number>, values: ReadonlyArray<number>) => ({
  datatype: "INT64" as const,
  shape,
  data: BigInt64Array.from(values, BigInt)
})

describe("floats", () => {
  it("reads each width", () => {
    const values = [1, -2, 0.5]
    assert.deepStrictEqual(floats(fp32([3], values)), Float32Array.from(values))
    assert.deepStrictEqual(
      floats({ datatype: "FP64", shape: [3], data: Float64Array.from(values) }),
      Float32Array.from(values)
    )
    const halves = Uint16Array.of(0x0000, 0x3c00, 0xc000, 0x3800).subarray(1)
    assert.deepStrictEqual(floats({ datatype: "FP16", shape: [3], data: halves }), Float32Array.from(values))
  })
})

describe("meanPool", () => {
  it("takes the mean of the tokens that the mask keeps", () => {
    const vectors = fp32([2, 3, 2], [1, 2, 3, 4, 90, 90, 10, 20, 90, 90, 90, 90])
    const pooled = meanPool(vectors, mask([2, 3], [1, 1, 0, 1, 0, 0]))
    assert.deepStrictEqual(pooled, fp32([2, 2], [2, 3, 10, 20]))
  })

  it("gives zeros, not NaN, where the mask keeps nothing", () => {
    assert.deepStrictEqual(meanPool(fp32([1, 1, 2], [5, 5]), mask([1, 1], [0])), fp32([1, 2], [0, 0]))
  })

  it("does not see padding", () => {
    fc.assert(fc.property(
      fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: 1, maxLength: 8 }),
      fc.nat({ max: 5 }),
      (values, padding) => {
        const kept = values.map(() => 1)
        const filler = Array.from({ length: padding }, () => 77)
        const length = values.length + padding
        assert.deepStrictEqual(
          meanPool(fp32([1, length, 1], [...values, ...filler]), mask([1, length], [...kept, ...filler.map(() => 0)])),
          meanPool(fp32([1, values.length, 1], values), mask([1, values.length], kept))
        )
      }
    ))
  })
})

describe("normaliseRows", () => {
  it("makes each row 1 long, in the same direction, and leaves zeros and its input alone", () => {
    const given = fp32([3, 2], [3, 4, 0, 0, 0, -2])
    const normalised = Array.from(floats(normaliseRows(given)))
    for (const [i, expected] of [0.6, 0.8, 0, 0, 0, -1].entries()) assert.closeTo(normalised[i]!, expected, 1e-6)
    assert.deepStrictEqual(given, fp32([3, 2], [3, 4, 0, 0, 0, -2]))
  })
})

describe("activate", () => {
  const scores = fc.array(fc.float({ noNaN: true, min: -1e4, max: 1e4 }), { minLength: 1, maxLength: 6 })

  it("softmax gives probabilities in the order of the scores", () => {
    fc.assert(fc.property(scores, (values) => {
      const probabilities = activate(Float32Array.from(values), "softmax")
      assert.closeTo(probabilities.reduce((a, b) => a + b), 1, 1e-9)
      assert.isTrue(
        values.every((value, i) =>
          values.every((other, j) => value <= other ? probabilities[i]! <= probabilities[j]! : true)
        )
      )
    }))
    assert.closeTo(activate(Float32Array.of(Math.log(3), 0), "softmax")[0]!, 0.75, 1e-6)
  })

  it("sigmoid takes each class alone", () => {
    const [half, high, low] = activate(Float32Array.of(0, 100, -100), "sigmoid")
    assert.strictEqual(half, 0.5)
    assert.isAbove(high!, 0.999)
    assert.isBelow(low!, 0.001)
  })

  it("none leaves them as they are", () => {
    assert.deepStrictEqual(activate(Float32Array.of(0.25, 0.75), "none"), [0.25, 0.75])
  })
})
