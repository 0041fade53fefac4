/**
 * Whether a plugin kept its word: the outputs its signature names, of the datatypes and shapes it gives.
 */
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import { elementCount } from "@sluice/plugin-sdk/TensorRows"

/** Says what is wrong with the outputs of a batch of `rows` rows, or undefined when nothing is. */
export const checkOutputs = (signature: ModelSignature, outputs: TensorMap, rows: number): string | undefined => {
  for (const spec of signature.outputs) {
    const tensor = outputs[spec.name]
    if (tensor === undefined) return `output "${spec.name}" is missing`
    if (tensor.datatype !== spec.datatype) {
      return `output "${spec.name}" is ${tensor.datatype}, the signature says ${spec.datatype}`
    }
    const expected = spec.shape.map((size, i) => i === 0 && signature.batchable ? rows : size)
    const fits = tensor.shape.length === expected.length &&
      tensor.shape.every((size, i) => expected[i]! < 0 || size === expected[i])
    if (!fits) return `output "${spec.name}" has shape [${tensor.shape.join(", ")}], expected [${expected.join(", ")}]`
    if (tensor.data.length !== elementCount(tensor.shape)) {
      return `output "${spec.name}" has ${tensor.data.length} elements for shape [${tensor.shape.join(", ")}]`
    }
  }
  return undefined
}
