import { assert, describe, it } from "@effect/vitest"
import type { TensorMap } from "@sluice/domain/Tensor"
import { signatureMismatch } from "@sluice/plugin-sdk/SignatureCheck"

const specs = [
  { name: "ids", datatype: "INT64" as const, shape: [-1, -1] },
  { name: "row", datatype: "FP32" as const, shape: [-1, 2] }
]
const ids = { datatype: "INT64" as const, shape: [1, 3], data: new BigInt64Array(3) }
const row = { datatype: "FP32" as const, shape: [1, 2], data: new Float32Array(2) }

describe("signatureMismatch", () => {
  it("is undefined for the tensors that the signature names", () => {
    assert.isUndefined(signatureMismatch("input", specs, { ids, row }))
  })

  it.each<[string, TensorMap, string]>([
    ["a missing tensor", { ids }, `input "row" is missing`],
    ["a name from the prototype", { toString: ids, row }, `input "ids" is missing`],
    [
      "a datatype",
      { ids, row: { ...row, datatype: "FP64", data: new Float64Array(2) } },
      `input "row": expected FP32 [-1, 2], got FP64 [1, 2]`
    ],
    ["a rank", { ids, row: { ...row, shape: [2] } }, `input "row": expected FP32 [-1, 2], got FP32 [2]`],
    [
      "a fixed dimension",
      { ids, row: { ...row, shape: [2, 1] } },
      `input "row": expected FP32 [-1, 2], got FP32 [2, 1]`
    ],
    ["an element count", { ids, row: { ...row, shape: [2, 2] } }, `input "row": shape [2, 2] holds 4 elements, got 2`],
    ["an unknown name", { ids, row, mask: ids }, `no input is named "mask": the model has "ids", "row"`]
  ])("tells %s", (_, tensors, sentence) => {
    assert.strictEqual(signatureMismatch("input", specs, tensors), sentence)
  })
})
