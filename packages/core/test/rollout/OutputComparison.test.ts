import { assert, describe, it } from "@effect/vitest"
import {
  type ComparedOutput,
  compareOutputs,
  embeddingCosine,
  numberTolerance
} from "@sluice/core/rollout/OutputComparison"
import type { Prediction } from "@sluice/domain/Prediction"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as fc from "fast-check"

const meaning = (prediction: Prediction): ComparedOutput => ({ outputs: {}, prediction })
const raw = (outputs: TensorMap): ComparedOutput => ({ outputs, prediction: undefined })
const floats = (...values: ReadonlyArray<number>): TensorMap => ({
  y: { datatype: "FP32", shape: [1, values.length], data: Float32Array.from(values) }
})
const agree = (a: ComparedOutput, b: ComparedOutput): boolean => compareOutputs(a, b).agrees

describe("compareOutputs", () => {
  it("takes classes as agreeing when they are equal, however far apart the probabilities are", () => {
    const yes = meaning({ prediction: "positive", probabilities: { positive: 0.9, negative: 0.1 } })
    const barely = meaning({ prediction: "positive", probabilities: { positive: 0.6, negative: 0.4 } })
    const no = meaning({ prediction: "negative", probabilities: { positive: 0.45, negative: 0.55 } })
    const near = compareOutputs(yes, barely)
    assert.isTrue(near.agrees)
    assert.closeTo(near.maxAbs!, 0.3, 1e-12)
    const far = compareOutputs(yes, no)
    assert.isFalse(far.agrees)
    assert.closeTo(far.maxAbs!, 0.45, 1e-12)
    assert.isTrue(agree(meaning({ prediction: true }), meaning({ prediction: true })))
    assert.isFalse(agree(meaning({ prediction: true }), meaning({ prediction: "true" })))
  })

  it("does not take neighbouring class numbers for one number", () => {
    const of = (prediction: number) => meaning({ prediction, probabilities: { 2000: 0.5, 2001: 0.5 } })
    assert.isFalse(agree(of(2000), of(2001)))
  })

  it("takes numbers as agreeing within the tolerance, whatever their size and sign", () => {
    const number = fc.double({ min: -1e12, max: 1e12, noNaN: true })
    fc.assert(fc.property(number, fc.double({ min: -1, max: 1, noNaN: true }), (a, part) => {
      const near = meaning({ prediction: a * (1 + part * numberTolerance * 0.99) })
      const far = meaning({ prediction: a * (1 + numberTolerance * 1.02) + 1e-9 * Math.sign(a) })
      assert.isTrue(agree(meaning({ prediction: a }), near))
      if (Math.abs(a) > 1e-3) assert.isFalse(agree(meaning({ prediction: a }), far))
    }))
    assert.isFalse(agree(meaning({ prediction: 1 }), meaning({ prediction: -1 })))
  })

  it("takes embeddings as agreeing by their direction", () => {
    const at = (degrees: number) => {
      const angle = degrees / 180 * Math.PI
      return meaning({ embedding: Float32Array.of(Math.cos(angle), Math.sin(angle)) })
    }
    const edge = Math.acos(embeddingCosine) / Math.PI * 180
    assert.isTrue(agree(at(0), at(edge - 0.1)))
    assert.isFalse(agree(at(0), at(edge + 0.1)))
    assert.closeTo(compareOutputs(at(0), at(60)).cosine!, 0.5, 1e-6)
    assert.isFalse(agree(at(0), meaning({ embedding: [1, 0, 0] })), "of another length")
    assert.isTrue(agree(meaning({ embedding: [0, 0] }), meaning({ embedding: [0, 0] })))
    assert.isFalse(agree(meaning({ embedding: [0, 0] }), meaning({ embedding: [1, 0] })))
    assert.isFalse(agree(meaning({ embedding: [Number.NaN, 1] }), meaning({ embedding: [0, 1] })))
  })

  it("takes raw tensors as agreeing within the tolerance of their largest number", () => {
    assert.isTrue(agree(raw(floats(10, 0.001)), raw(floats(10, 0.009))))
    assert.isFalse(agree(raw(floats(10, 0.001)), raw(floats(10, 0.02))))
    assert.isFalse(agree(raw(floats(1, 2)), raw(floats(1, 2, 3))), "of another length")
    assert.isFalse(agree(raw(floats(1)), raw({ z: floats(1)["y"]! })), "of another name")
    assert.isFalse(agree(raw(floats(1)), raw({ ...floats(1), z: floats(1)["y"]! })), "one output more")
    assert.isTrue(agree(raw(floats(Number.NaN, 1)), raw(floats(Number.NaN, 1))))
    assert.isFalse(agree(raw(floats(Number.NaN, 1)), raw(floats(0, 1))))
    assert.isFalse(agree(raw(floats(Infinity)), raw(floats(1e30))))
  })

  it("takes whole numbers and texts as agreeing when they are equal", () => {
    const label = (value: bigint): TensorMap => ({
      label: { datatype: "INT64", shape: [1], data: BigInt64Array.of(value) }
    })
    const text = (value: string): TensorMap => ({ label: { datatype: "BYTES", shape: [1], data: [value] } })
    assert.isTrue(agree(raw(label(5000n)), raw(label(5000n))))
    assert.isFalse(agree(raw(label(5000n)), raw(label(5001n))))
    assert.isTrue(agree(raw(text("a")), raw(text("a"))))
    assert.isFalse(agree(raw(text("a")), raw(text("b"))))
    assert.isFalse(agree(raw(text("1")), raw({ label: label(1n)["label"]! })))
  })

  it("reads FP16 as numbers, not as bits", () => {
    const halves = (...values: ReadonlyArray<number>): TensorMap => ({
      y: { datatype: "FP16", shape: [values.length], data: new Uint16Array(Float16Array.from(values).buffer) }
    })
    const { agrees, maxAbs } = compareOutputs(raw(halves(1, -2)), raw(floats(1, -2.0005)))
    assert.isTrue(agrees)
    assert.closeTo(maxAbs!, 0.0005, 1e-6)
  })

  it("is symmetric, and finds every answer in agreement with itself", () => {
    const vector = fc.array(fc.float({ noNaN: false }), { maxLength: 8 })
    fc.assert(fc.property(vector, vector, (a, b) => {
      const there = compareOutputs(raw(floats(...a)), raw(floats(...b)))
      const back = compareOutputs(raw(floats(...b)), raw(floats(...a)))
      assert.deepStrictEqual({ ...there, cosine: null }, { ...back, cosine: null })
      const same = compareOutputs(raw(floats(...a)), raw(floats(...a)))
      assert.isTrue(same.agrees)
      assert.isTrue(same.maxAbs === null || same.maxAbs === 0)
    }))
  })

  it("gives distances that a store can keep: finite, or none", () => {
    const value = fc.oneof(fc.double(), fc.constantFrom(Number.NaN, Infinity, -Infinity, 1e308, -1e308, 1e-320))
    const vector = fc.array(value, { minLength: 1, maxLength: 6 })
    fc.assert(fc.property(vector, vector, (a, b) => {
      const { cosine, maxAbs } = compareOutputs(meaning({ embedding: a }), meaning({ embedding: b }))
      for (const each of [cosine, maxAbs]) assert.isTrue(each === null || Number.isFinite(each))
    }))
  })
})
