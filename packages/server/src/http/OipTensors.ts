/**
 * Between tensors and the JSON of the Open Inference Protocol V2: nested or flat, row-major, 64-bit integers exact.
 */
import type { OipInput } from "@sluice/api/OipApi"
import { MalformedRequest } from "@sluice/domain/Errors"
import type { Datatype, Tensor } from "@sluice/domain/Tensor"
import { elementCount, emptyData } from "@sluice/plugin-sdk/TensorRows"
import * as Result from "effect/Result"

const expected: Readonly<Record<Datatype, string>> = {
  BOOL: "true or false",
  UINT8: "an integer of 0..255",
  UINT16: "an integer of 0..65535",
  UINT32: "an integer of 0..4294967295",
  UINT64: "an integer of 0..18446744073709551615",
  INT8: "an integer of -128..127",
  INT16: "an integer of -32768..32767",
  INT32: "an integer of -2147483648..2147483647",
  INT64: "a 64-bit integer",
  FP16: "a number within -65504..65504",
  FP32: "a number that FP32 can hold",
  FP64: "a number",
  BYTES: "a string"
}

/** The elements in a row, or undefined where lists are nested otherwise than the shape says. */
const flatten = (
  data: ReadonlyArray<unknown>,
  shape: ReadonlyArray<number>
): ReadonlyArray<unknown> | undefined => {
  if (!data.some(Array.isArray)) return data
  if (data.length !== shape[0]) return undefined
  let level = data
  for (const size of shape.slice(1)) {
    if (!level.every((part) => Array.isArray(part) && part.length === size)) return undefined
    level = level.flat()
  }
  return level
}

const halfBits = (value: number): number => {
  const view = new DataView(new ArrayBuffer(2))
  view.setFloat16(0, value)
  return view.getUint16(0)
}

const halfValue = (bits: number): number => {
  const view = new DataView(new ArrayBuffer(2))
  view.setUint16(0, bits)
  return view.getFloat16(0)
}

const isFloat = (datatype: Datatype) => datatype === "FP16" || datatype === "FP32" || datatype === "FP64"

/** Whether writing the value and reading it back gives the same integer. */
const writeInteger = (data: BigInt64Array | BigUint64Array, index: number, value: unknown): boolean => {
  if (typeof value !== "bigint" && !(typeof value === "number" && Number.isSafeInteger(value))) return false
  data[index] = BigInt(value)
  return data[index] === BigInt(value)
}

/** Writes one element; false when it is not of the datatype. */
const write = (tensor: Tensor, index: number, value: unknown): boolean => {
  const { data, datatype } = tensor
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return writeInteger(data, index, value)
  if (!ArrayBuffer.isView(data)) return false
  if (datatype === "BOOL") {
    data[index] = value === true ? 1 : 0
    return typeof value === "boolean"
  }
  if (isFloat(datatype)) {
    if (typeof value !== "number" && typeof value !== "bigint") return false
    const number = Number(value)
    data[index] = datatype === "FP16" ? halfBits(number) : number
    return Number.isFinite(datatype === "FP16" ? halfValue(data[index]) : data[index])
  }
  if (typeof value !== "number") return false
  data[index] = value
  return data[index] === value
}

const refuse = (field: string, detail: string) => Result.fail(new MalformedRequest({ field, detail }))

/** One input of an infer request. Says which element is not of the datatype, or how many there are too many. */
export const tensorOf = (input: OipInput): Result.Result<Tensor, MalformedRequest> => {
  const { datatype, name, shape } = input
  const field = `inputs.${name}.data`
  const values = flatten(input.data, shape)
  const count = elementCount(shape)
  if (values === undefined) return refuse(field, `expected a flat list, or lists nested as shape [${shape.join(", ")}]`)
  if (values.length !== count) {
    return refuse(field, `shape [${shape.join(", ")}] holds ${count} elements, got ${values.length}`)
  }
  if (datatype === "BYTES") {
    const texts = values.filter((value) => typeof value === "string")
    const wrong = values.findIndex((value) => typeof value !== "string")
    return wrong < 0
      ? Result.succeed({ datatype, shape, data: texts })
      : refuse(`${field}.${wrong}`, `expected ${expected[datatype]}`)
  }
  const tensor: Tensor = { datatype, shape, data: emptyData(datatype, count) }
  const wrong = values.findIndex((value, index) => !write(tensor, index, value))
  return wrong < 0 ? Result.succeed(tensor) : refuse(`${field}.${wrong}`, `expected ${expected[datatype]}`)
}

/** JSON of one element; integers beyond a double's reach keep every digit. */
const elementText = (value: number | bigint | string, datatype: Datatype): string =>
  typeof value === "string"
    ? JSON.stringify(value)
    : datatype === "BOOL"
    ? String(value !== 0)
    : datatype === "FP16"
    ? String(halfValue(Number(value)))
    : String(value)

/** An output's JSON text, or undefined when it holds NaN or an infinity, which JSON has no form for. */
export const tensorJson = (name: string, tensor: Tensor): string | undefined => {
  const values: Iterable<number | bigint | string> = tensor.data
  const texts: Array<string> = []
  for (const value of values) {
    const text = elementText(value, tensor.datatype)
    if (isFloat(tensor.datatype) && !Number.isFinite(Number(text))) return undefined
    texts.push(text)
  }
  const { datatype, shape } = tensor
  return `{"name":${JSON.stringify(name)},"shape":${JSON.stringify(shape)},"datatype":"${datatype}","data":[${
    texts.join(",")
  }]}`
}
