import { assert, describe, it } from "@effect/vitest"
import { cutEmbedding, embeddingBase64 } from "@sluice/server/calls/Embedding"
import * as fc from "fast-check"

const floats = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1000, max: 1000 }), {
  minLength: 1,
  maxLength: 50
})

describe("cutEmbedding", () => {
  it("leaves a whole embedding as it is", () => {
    fc.assert(fc.property(floats, (values) => {
      assert.deepStrictEqual(cutEmbedding(values, values.length), Float32Array.from(values))
    }))
  })

  it("gives the first values, in their proportions, at length one", () => {
    assert.deepStrictEqual(cutEmbedding([3, 4, 100], 2), Float32Array.of(0.6, 0.8))
    fc.assert(fc.property(floats, fc.nat(), (values, cut) => {
      const dimensions = 1 + cut % values.length
      fc.pre(dimensions < values.length && values.slice(0, dimensions).some((value) => Math.abs(value) > 1e-3))
      const result = cutEmbedding(Float32Array.from(values), dimensions) ?? []
      assert.strictEqual(result.length, dimensions)
      assert.approximately(Math.hypot(...result), 1, 1e-5)
    }))
  })

  it("leaves zeros zeros", () => {
    assert.deepStrictEqual(cutEmbedding([0, 0, 1], 2), Float32Array.of(0, 0))
  })

  it("has no answer for what is no number", () => {
    assert.isUndefined(cutEmbedding([1, NaN, 3], 3))
    assert.isUndefined(cutEmbedding([1, Infinity, 3], 2))
    assert.isDefined(cutEmbedding([1, 2, NaN], 2))
  })
})

describe("embeddingBase64", () => {
  it("is the little-endian float32 values", () => {
    assert.strictEqual(
      embeddingBase64(Float32Array.of(1, -2)),
      Buffer.from([0, 0, 128, 63, 0, 0, 0, 192]).toString("base64")
    )
  })

  it("reads back as the same values, wherever they lie in memory", () => {
    fc.assert(fc.property(floats, (values) => {
      const view = Float32Array.from([7, ...values]).subarray(1)
      const bytes = Buffer.from(embeddingBase64(view), "base64")
      assert.deepStrictEqual(Array.from(values, (_, i) => bytes.readFloatLE(i * 4)), values)
    }))
  })
})
