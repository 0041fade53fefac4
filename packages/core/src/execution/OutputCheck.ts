/**
 * Whether a plugin kept its word: the outputs its signature names, of the datatypes and shapes it gives.
 */
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"
import { signatureMismatch } from "@sluice/plugin-sdk/SignatureCheck"
import { emptyData } from "@sluice/plugin-sdk/TensorRows"

/** A plugin need not be written in TypeScript, nor keep to its types. */
const isTensor = (value: Partial<Tensor> | null | undefined): value is Tensor =>
  Array.isArray(value?.shape) && value.data !== undefined

/** Says what is wrong with the outputs of a batch of `rows` rows, or undefined when nothing is. */
export const checkOutputs = (signature: ModelSignature, outputs: TensorMap, rows: number): string | undefined => {
  const stranger = Object.keys(outputs).find((name) => !isTensor(outputs[name]))
  if (stranger !== undefined) return `output "${stranger}" is not a tensor`
  const specs = signature.batchable
    ? signature.outputs.map((spec) => ({ ...spec, shape: [rows, ...spec.shape.slice(1)] }))
    : signature.outputs
  const mismatch = signatureMismatch("output", specs, outputs)
  if (mismatch !== undefined) return mismatch
  for (const { datatype, name } of specs) {
    const found = outputs[name]?.data.constructor
    if (found !== emptyData(datatype, 0).constructor) {
      return `output "${name}" is ${datatype}, but its data is ${found?.name}`
    }
  }
  return undefined
}
