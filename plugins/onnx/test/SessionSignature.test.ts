import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { InferenceSession } from "onnxruntime-node"
import { sessionSignature } from "../src/SessionSignature.ts"

const value = (name: string, type: "float32" | "int64" | "int4", shape: ReadonlyArray<number | string>) =>
  ({ name, isTensor: true, type, shape }) satisfies InferenceSession.ValueMetadata

const batchable = (
  inputs: ReadonlyArray<ReadonlyArray<number | string>>,
  outputs: ReadonlyArray<ReadonlyArray<number | string>>
) =>
  Result.getOrThrow(sessionSignature({
    inputMetadata: inputs.map((shape, i) => value(`x${i}`, "float32", shape)),
    outputMetadata: outputs.map((shape, i) => value(`y${i}`, "float32", shape))
  })).batchable

describe("sessionSignature", () => {
  it("names datatypes by the Open Inference Protocol and sizes that may vary -1", () => {
    assert.deepStrictEqual(
      sessionSignature({
        inputMetadata: [value("ids", "int64", ["batch", "", 3])],
        outputMetadata: [value("y", "float32", [1])]
      }),
      Result.succeed({
        inputs: [{ name: "ids", datatype: "INT64", shape: [-1, -1, 3] }],
        outputs: [{ name: "y", datatype: "FP32", shape: [1] }],
        batchable: false
      })
    )
  })

  it.each<[string, boolean, boolean]>([
    ["all may vary", true, batchable([["batch", 2], ["batch"]], [["batch", 3]])],
    ["outputs have other names for it", true, batchable([["batch", 2]], [["Divlogits_dim_0", 3]])],
    ["a name is unknown", true, batchable([["batch", 2], ["", 1]], [["", 3]])],
    ["an input is fixed", false, batchable([["batch", 2], [1, 2]], [["batch", 3]])],
    ["an output is fixed", false, batchable([["batch", 2]], [["batch", 3], [1]])],
    ["an output has no dimension", false, batchable([["batch", 2]], [[]])],
    ["two inputs name it differently", false, batchable([["batch", 2], ["sequence", 2]], [["batch", 2]])]
  ])("tells what is batchable: %s", (_, expected, actual) => {
    assert.strictEqual(actual, expected)
  })

  it("refuses values that are no tensors, and says what to do", () => {
    const refused = sessionSignature({
      inputMetadata: [value("x", "float32", ["batch", 2])],
      outputMetadata: [{ name: "output_probability", isTensor: false }]
    })
    assert.match(String(Result.getOrThrow(Result.flip(refused))), /"output_probability" is not a tensor.*zipmap=False/)
  })

  it("refuses datatypes that the protocol has no name for", () => {
    const refused = sessionSignature({ inputMetadata: [value("x", "int4", [1])], outputMetadata: [] })
    assert.match(String(Result.getOrThrow(Result.flip(refused))), /input "x" has the datatype int4/)
  })
})
