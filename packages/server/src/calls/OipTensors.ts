/**
 * Between tensors and the JSON of the Open Inference Protocol V2: nested or flat, row-major, 64-bit integers exact.
 */
import type { OipInput } from "@sluice/api/OipApi"
import { MalformedRequest } from "@sluice/domain/Errors"
import type { Datatype, Tensor, TensorData } from "@sluice/domain/Tensor"
import { elementCount, emptyData } from "@sluice/plugin-sdk/TensorRows"
import * as Result from "effect/Result"
import { float32Text } from "./Float32Text.ts"
import { makeFloat32, makeFloat64, makeInt64 } from "./TensorSlab.ts"

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

/**
 * The usual case in one pass: numbers in a row, or rows of them, for a float or INT64 tensor. Undefined where anything is
 * otherwise, which is then looked at in detail.
 */
const quickData = ({ data, datatype, shape }: OipInput, count: number): TensorData | undefined => {
  if (datatype === "INT64") {
    if (data.length !== count) return undefined
    const longs = makeInt64(count)
    for (let i = 0; i < count; i++) {
      const value = data[i]
      if (typeof value !== "number" || !Number.isSafeInteger(value)) return undefined
      longs[i] = BigInt(value)
    }
    return longs
  }
  if (datatype !== "FP32" && datatype !== "FP64") return undefined
  const isFlat = data.length === count
  // Lengths first: a shape alone must not make anything be allocated.
  if (!isFlat && !(shape.length === 2 && shape[0] === data.length && areRows(data, shape[1]!))) return undefined
  const floats = datatype === "FP32" ? makeFloat32(count) : makeFloat64(count)
  if (isFlat) return fill(floats, 0, data) ? floats : undefined
  let offset = 0
  for (const row of data) {
    if (!Array.isArray(row) || !fill(floats, offset, row)) return undefined
    offset += row.length
  }
  return floats
}

const areRows = (data: ReadonlyArray<unknown>, width: number): boolean => {
  for (const row of data) if (!Array.isArray(row) || row.length !== width) return false
  return true
}

const fill = (floats: Float32Array | Float64Array, offset: number, values: ReadonlyArray<unknown>): boolean => {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (typeof value !== "number") return false
    floats[offset + i] = value
    if (!Number.isFinite(floats[offset + i])) return false
  }
  return true
}

const refuse = (field: string, detail: string) => Result.fail(new MalformedRequest({ field, detail }))

/** One input of an infer request. Says which element is not of the datatype, or how many there are too many. */
export const tensorOf = (input: OipInput): Result.Result<Tensor, MalformedRequest> => {
  const { datatype, name, shape } = input
  const count = elementCount(shape)
  const quick = quickData(input, count)
  if (quick !== undefined) return Result.succeed({ datatype, shape, data: quick })
  const field = `inputs.${name}.data`
  const values = flatten(input.data, shape)
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

/** An output's JSON text up to its elements. */
export const tensorHead = (name: string, datatype: Datatype, shape: ReadonlyArray<number>): string =>
  `{"name":${JSON.stringify(name)},"shape":${JSON.stringify(shape)},"datatype":"${datatype}","data":[`

const allFinite = (values: Float32Array, from: number, to: number): boolean => {
  for (let i = from; i < to; i++) if (!Number.isFinite(values[i])) return false
  return true
}

/** The JSON text of elements, or undefined where one is NaN or an infinity, which JSON has no form for. */
export const elementsText = ({ data, datatype }: Tensor, from: number, to: number): string | undefined => {
  if (data instanceof Float32Array) return allFinite(data, from, to) ? float32Text(data, from, to) : undefined
  let text = ""
  for (let i = from; i < to; i++) {
    if (i > from) text += ","
    const value = data[i]!
    if (typeof value === "string") text += JSON.stringify(value)
    else if (datatype === "BOOL") text += value === 0 ? "false" : "true"
    else if (typeof value === "bigint") text += String(value)
    else {
      const number = datatype === "FP16" ? halfValue(value) : value
      if (!Number.isFinite(number)) return undefined
      text += number
    }
  }
  return text
}
