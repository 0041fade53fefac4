import { assert, describe, it } from "@effect/vitest"
import { checkOutputs } from "@sluice/core/execution/OutputCheck"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"

const signature: ModelSignature = {
  inputs: [],
  outputs: [{ name: "label", datatype: "BYTES", shape: [-1] }, { name: "scores", datatype: "FP32", shape: [-1, 2] }],
  batchable: true
}

const label = { datatype: "BYTES" as const, shape: [3], data: ["a", "b", "c"] }
const scores = { datatype: "FP32" as const, shape: [3, 2], data: new Float32Array(6) }

describe("checkOutputs", () => {
  it("has nothing to say of outputs that are as the signature has them", () => {
    assert.isUndefined(checkOutputs(signature, { scores, label }, 3))
  })

  it.each<readonly [string, TensorMap, RegExp]>([
    ["is missing", { label }, /output "scores" is missing/],
    ["is unknown", { label, scores, extra: label }, /"extra".*"label", "scores"/],
    ["has another datatype", { label, scores: { ...scores, datatype: "FP64" } }, /"scores".*FP32.*FP64/],
    ["has more rows than the batch", { label, scores: { ...scores, shape: [4, 2] } }, /"scores".*\[3, 2\].*\[4, 2\]/],
    [
      "has fewer rows than the batch",
      { label: { ...label, shape: [2], data: ["a", "b"] }, scores },
      /"label".*\[3\].*\[2\]/
    ],
    ["has another rank", { label, scores: { ...scores, shape: [6] } }, /"scores".*\[3, 2\].*\[6\]/],
    [
      "has another width",
      { label, scores: { ...scores, shape: [3, 3], data: new Float32Array(9) } },
      /"scores".*\[3, 2\].*\[3, 3\]/
    ],
    [
      "has fewer elements than its shape",
      { label, scores: { ...scores, data: new Float32Array(5) } },
      /"scores".*6.*5/
    ],
    [
      "has data of another kind than its datatype",
      { label, scores: { ...scores, data: new Float64Array(6) } },
      /"scores".*FP32.*Float64Array/
    ],
    ["has texts for numbers", { label, scores: { ...scores, data: ["", "", "", "", "", ""] } }, /"scores".*FP32.*Array/]
  ])("says so when an output %s", (_, outputs, sentence) => {
    assert.match(checkOutputs(signature, outputs, 3) ?? "nothing", sentence)
  })

  it.each<readonly [string, object]>([
    ["no tensor", { label, scores: null }],
    ["a bare array", { label, scores: new Float32Array(6) }],
    ["a tensor without a shape", { label, scores: { datatype: "FP32", data: new Float32Array(6) } }],
    ["a tensor without data", { label, scores: { datatype: "FP32", shape: [3, 2] } }]
  ])("says so when an output is %s", (_, outputs) => {
    assert.match(checkOutputs(signature, outputs as TensorMap, 3) ?? "nothing", /"scores"/)
  })

  it("leaves the first dimension of a model that is not batchable as the signature has it", () => {
    const whole = { ...signature, batchable: false, outputs: [{ name: "y", datatype: "FP32" as const, shape: [2] }] }
    assert.isUndefined(checkOutputs(whole, { y: { datatype: "FP32", shape: [2], data: new Float32Array(2) } }, 1))
    assert.isString(checkOutputs(whole, { y: { datatype: "FP32", shape: [1], data: new Float32Array(1) } }, 1))
  })
})
