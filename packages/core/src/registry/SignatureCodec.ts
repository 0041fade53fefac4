/**
 * The codec of a plugin that brings none: items pass by the shape of a model's only input, outputs by name.
 */
import type { ItemKind } from "@sluice/domain/Item"
import type { ModelSignature, TensorSpec } from "@sluice/domain/ModelSignature"
import type { Tensor } from "@sluice/domain/Tensor"
import { type Codec, InvalidItem } from "@sluice/plugin-sdk/Plugin"
import { elementCount, emptyData } from "@sluice/plugin-sdk/TensorRows"
import * as Result from "effect/Result"

const refuse = (detail: string) => Result.fail(new InvalidItem({ detail }))

const numericRow = (spec: TensorSpec, values: ReadonlyArray<number | boolean>): Tensor => {
  const data = emptyData(spec.datatype, values.length)
  for (const [i, value] of values.entries()) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(Math.trunc(Number(value)))
    else if (ArrayBuffer.isView(data)) data[i] = Number(value)
  }
  return { datatype: spec.datatype, shape: [1, ...spec.shape.slice(1).map((size) => size < 0 ? values.length : size)], data }
}

const plainValues = (tensor: Tensor): ReadonlyArray<string | number> => {
  const values: Iterable<string | number | bigint> = tensor.data
  return Array.from(values, (value) => typeof value === "bigint" ? Number(value) : value)
}

/** One input only: BYTES of one element a row takes texts, numbers of at most two dimensions take feature rows. */
export const signatureCodec = (signature: ModelSignature): Codec => {
  const [input, ...others] = signature.inputs
  const single = input !== undefined && others.length === 0 && signature.batchable && input.shape.length <= 2
  const width = input === undefined ? 0 : elementCount(input.shape.slice(1))
  const accepts: ReadonlyArray<ItemKind> = !single || input.datatype === "FP16"
    ? []
    : input.datatype !== "BYTES"
    ? ["Features"]
    : Math.abs(width) === 1
    ? ["Text"]
    : []
  return {
    accepts,
    encode: (item) => {
      if (input === undefined || !accepts.includes(item._tag)) {
        return refuse("this model takes raw tensors only: call it through /v2")
      }
      if (item._tag === "Text") {
        const shape = input.shape.map(() => 1)
        return Result.succeed({ [input.name]: { datatype: "BYTES", shape, data: [item.text] } })
      }
      if (item._tag !== "Features") return refuse("this model takes rows of features, not records")
      const values = item.values.filter((value) => typeof value === "number" || typeof value === "boolean")
      if (values.length !== item.values.length) return refuse("every feature must be a number")
      if (width > 0 && values.length !== width) return refuse(`expected ${width} features, got ${values.length}`)
      return Result.succeed({ [input.name]: numericRow(input, values) })
    },
    decode: (outputs) => ({
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, plainValues(tensor)]))
    })
  }
}
