/**
 * A model's signature from what an onnxruntime session says of its inputs and outputs.
 */
import type { ModelSignature, TensorSpec } from "@sluice/plugin-sdk"
import * as Result from "effect/Result"
import type { InferenceSession } from "onnxruntime-node"
import { datatypeOf } from "./Datatypes.ts"

type Metadata = InferenceSession.ValueMetadata

const ZIPMAP = "it is the sequence of maps that skl2onnx makes by default, convert with the option zipmap=False"

const specOf = (role: "input" | "output", value: Metadata): Result.Result<TensorSpec, string> => {
  if (!value.isTensor) return Result.fail(`${role} "${value.name}" is not a tensor: if ${ZIPMAP}`)
  const datatype = datatypeOf(value.type)
  if (datatype === undefined) {
    return Result.fail(`${role} "${value.name}" has the datatype ${value.type}, which is not supported`)
  }
  const shape = value.shape.map((size) => (typeof size === "number" ? size : -1))
  return Result.succeed({ name: value.name, datatype, shape })
}

/** Inputs whose first dimensions have different names, such as "batch" and "sequence", do not share a batch. */
const namesOneBatch = (inputs: ReadonlyArray<Metadata>): boolean => {
  const names = new Set<string>()
  for (const input of inputs) {
    const first = input.isTensor ? input.shape[0] : undefined
    if (typeof first === "string" && first !== "") names.add(first)
  }
  return names.size <= 1
}

/**
 * The signature: symbolic dimensions are -1; batchable if each input and output may vary in its first dimension.
 * Fails with a sentence for values that are not tensors.
 */
export const sessionSignature = (
  session: Pick<InferenceSession, "inputMetadata" | "outputMetadata">
): Result.Result<ModelSignature, string> =>
  Result.gen(function*() {
    const inputs = yield* Result.all(session.inputMetadata.map((value) => specOf("input", value)))
    const outputs = yield* Result.all(session.outputMetadata.map((value) => specOf("output", value)))
    const batchable = [...inputs, ...outputs].every((spec) => spec.shape[0] === -1) &&
      namesOneBatch(session.inputMetadata)
    return { inputs, outputs, batchable }
  })
