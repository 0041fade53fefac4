/**
 * Raw tensors against a model's signature: names, datatypes and shapes, and how many items they hold.
 */
import { MalformedRequest } from "@sluice/domain/Errors"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import { elementCount, splitRows } from "@sluice/plugin-sdk/TensorRows"
import * as Result from "effect/Result"

const refuse = (field: string, detail: string) => Result.fail(new MalformedRequest({ field, detail }))

const shapeText = (shape: ReadonlyArray<number>) => `[${shape.join(", ")}]`

/**
 * The rows of a request: one for each item of a batchable model, the whole input for any other. Says which input is
 * missing, unknown, of a wrong datatype or shape, or of another item count than the rest.
 */
export const tensorRows = (
  signature: ModelSignature,
  tensors: TensorMap
): Result.Result<ReadonlyArray<TensorMap>, MalformedRequest> => {
  const names = signature.inputs.map((input) => input.name)
  for (const name of Object.keys(tensors)) {
    if (!names.includes(name)) {
      return refuse(`inputs.${name}`, `the model has no such input; it takes ${names.join(", ")}`)
    }
  }
  let rows: number | undefined
  for (const spec of signature.inputs) {
    const field = `inputs.${spec.name}`
    const tensor = Object.hasOwn(tensors, spec.name) ? tensors[spec.name] : undefined
    if (tensor === undefined) return refuse(field, `missing; the model takes ${names.join(", ")}`)
    if (tensor.datatype !== spec.datatype) {
      return refuse(`${field}.datatype`, `expected ${spec.datatype}, got ${tensor.datatype}`)
    }
    const fits = tensor.shape.length === spec.shape.length &&
      tensor.shape.every((size, i) => spec.shape[i]! < 0 ? Number.isInteger(size) && size >= 0 : size === spec.shape[i])
    if (!fits) return refuse(`${field}.shape`, `expected ${shapeText(spec.shape)}, got ${shapeText(tensor.shape)}`)
    if (tensor.data.length !== elementCount(tensor.shape)) {
      return refuse(
        `${field}.data`,
        `shape ${shapeText(tensor.shape)} holds ${elementCount(tensor.shape)} elements, got ${tensor.data.length}`
      )
    }
    if (!signature.batchable) continue
    if (tensor.shape[0] === 0) return refuse(`${field}.shape`, "an empty batch; send at least one item")
    if (rows !== undefined && tensor.shape[0] !== rows) {
      return refuse(`${field}.shape`, `holds ${tensor.shape[0]} items where another input holds ${rows}`)
    }
    rows = tensor.shape[0]
  }
  // Rows without elements cost the sender nothing, and each one costs us.
  if (signature.batchable && signature.inputs.every((spec) => tensors[spec.name]?.data.length === 0)) {
    return refuse("inputs", "none of them holds an element")
  }
  return Result.succeed(signature.batchable && rows !== undefined ? splitRows(tensors, rows) : [tensors])
}
