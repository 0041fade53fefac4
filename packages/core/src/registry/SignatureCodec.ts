/**
 * The codec of a plugin that brings none: items pass by the shape of a model's only input, outputs by name.
 */
import type { FeatureValue, ItemKind } from "@sluice/domain/Item"
import type { ModelSignature, TensorSpec } from "@sluice/domain/ModelSignature"
import type { Datatype, Tensor, TensorData } from "@sluice/domain/Tensor"
import { type Codec, InvalidItem } from "@sluice/plugin-sdk/Plugin"
import { elementCount, emptyData } from "@sluice/plugin-sdk/TensorRows"
import * as Result from "effect/Result"

const refuse = (detail: string) => Result.fail(new InvalidItem({ detail }))

/** Puts a number in its place; false if the datatype does not hold it. A float may round it. */
const store = (datatype: Datatype, data: TensorData, place: number, value: number): boolean => {
  const isFloat = datatype === "FP32" || datatype === "FP64"
  if (!isFloat && !Number.isInteger(value)) return false
  if (datatype === "BOOL" && value !== 0 && value !== 1) return false
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[place] = BigInt(value)
  else if (ArrayBuffer.isView(data)) data[place] = value
  const stored = Number(data[place])
  return isFloat ? Number.isFinite(stored) : stored === value
}

const numericRow = (
  { datatype, shape }: TensorSpec,
  values: ReadonlyArray<FeatureValue>
): Result.Result<Tensor, InvalidItem> => {
  const data = emptyData(datatype, values.length)
  for (const [i, value] of values.entries()) {
    if (typeof value !== "number" && typeof value !== "boolean") {
      return refuse(`feature ${i} must be a number, got ${JSON.stringify(value)}`)
    }
    if (!store(datatype, data, i, Number(value))) {
      return refuse(`feature ${i} is ${value}, which ${datatype} cannot hold`)
    }
  }
  const sizes = shape.slice(1).map((size) => size < 0 ? values.length : size)
  return Result.succeed({ datatype, shape: [1, ...sizes], data })
}

const plainValues = ({ data, datatype }: Tensor): ReadonlyArray<string | number> => {
  if (datatype === "FP16" && data instanceof Uint16Array) {
    return Array.from(new Float16Array(data.buffer, data.byteOffset, data.length))
  }
  const values: Iterable<string | number | bigint> = data
  return Array.from(values, (value) => typeof value === "bigint" ? Number(value) : value)
}

/** Which items fit the only input; none where there are more, or where an item has more than a row of values. */
const acceptedKinds = ({ batchable, inputs }: ModelSignature): ReadonlyArray<ItemKind> => {
  const [input, ...others] = inputs
  if (input === undefined || others.length > 0 || !batchable || input.shape.length > 2) return []
  if (input.datatype === "FP16") return []
  if (input.datatype !== "BYTES") return ["Features"]
  return Math.abs(elementCount(input.shape.slice(1))) === 1 ? ["Text"] : []
}

/** One input only: BYTES of one element a row takes texts, numbers of at most two dimensions take feature rows. */
export const signatureCodec = (signature: ModelSignature): Codec => {
  const accepts = acceptedKinds(signature)
  const [input] = signature.inputs
  const width = input === undefined ? 0 : elementCount(input.shape.slice(1))
  return {
    accepts,
    encode: (item) => {
      if (input === undefined || accepts.length === 0) {
        return refuse("this model takes raw tensors only: call it through /v2")
      }
      if (item._tag === "Text" && accepts.includes("Text")) {
        return Result.succeed({
          [input.name]: { datatype: "BYTES", shape: input.shape.map(() => 1), data: [item.text] }
        })
      }
      if (item._tag !== "Features" || !accepts.includes("Features")) {
        return refuse(`this model takes ${accepts.includes("Text") ? "texts" : "rows of features"}`)
      }
      const count = item.values.length
      if (width < 0 && count === 0) return refuse("expected at least one feature")
      if (width >= 0 && count !== width) return refuse(`expected ${width} features, got ${count}`)
      return Result.map(numericRow(input, item.values), (row) => ({ [input.name]: row }))
    },
    decode: (outputs) => ({
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, plainValues(tensor)]))
    })
  }
}
