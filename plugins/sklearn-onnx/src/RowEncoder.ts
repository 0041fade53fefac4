/**
 * Rows and records of feature values to a tabular model's tensors, refusing what the model cannot take by name.
 */
import {
  type Datatype,
  type FeatureValue,
  InvalidItem,
  type Item,
  type Tensor,
  type TensorData,
  type TensorMap
} from "@sluice/plugin-sdk"
import { emptyData } from "@sluice/plugin-sdk/TensorRows"
import * as Result from "effect/Result"
import type { Column, Columns } from "./Columns.ts"

type Encoded = Result.Result<TensorMap, InvalidItem>

const refuse = (detail: string) => Result.fail(new InvalidItem({ detail }))

const quoted = (names: ReadonlyArray<string>): string => names.map((name) => `"${name}"`).join(", ")

const FLOAT32_MOST = 3.4028235677973366e38
const FLOAT16_MOST = 65520

const integerRanges: Partial<Record<Datatype, readonly [number, number]>> = {
  INT8: [-128, 127],
  INT16: [-32768, 32767],
  INT32: [-2147483648, 2147483647],
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  UINT8: [0, 255],
  UINT16: [0, 65535],
  UINT32: [0, 4294967295],
  UINT64: [0, Number.MAX_SAFE_INTEGER]
}

const describe = (value: FeatureValue): string =>
  value === null ? "null" : typeof value === "string" ? "a string" : String(value)

/** A number that the datatype holds, or what was expected instead. */
const numberFor = (datatype: Datatype, value: FeatureValue): number | string => {
  const number = typeof value === "boolean" ? Number(value) : value
  if (typeof number !== "number" || Number.isNaN(number)) return "a number"
  const range = integerRanges[datatype]
  if (range !== undefined) {
    return Number.isInteger(number) && number >= range[0] && number <= range[1]
      ? number
      : `a whole number from ${range[0]} to ${range[1]}`
  }
  if (datatype === "BOOL") return number === 0 || number === 1 ? number : "true or false"
  const most = datatype === "FP32" ? FLOAT32_MOST : datatype === "FP16" ? FLOAT16_MOST : Number.MAX_VALUE
  return Math.abs(number) < most || (datatype === "FP64" && Number.isFinite(number))
    ? number
    : `a number that ${datatype} can hold`
}

/** Writes a value at `index`, or says what was expected. */
const write = (datatype: Datatype, data: TensorData, index: number, value: FeatureValue): string | undefined => {
  if (datatype === "BYTES") {
    if (typeof value !== "string") return "a string"
    const texts: Array<string> = data as Array<string>
    texts[index] = value
    return undefined
  }
  const number = numberFor(datatype, value)
  if (typeof number === "string") return number
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = BigInt(number)
  else if (datatype === "FP16" && data instanceof Uint16Array) new Float16Array(data.buffer)[index] = number
  else if (!(data instanceof Array)) (data as Float32Array)[index] = number
  return undefined
}

const columnLabel = (column: Column, index: number): string =>
  column.name === undefined ? `feature ${index}` : `feature "${column.name}"`

const encodeRow = ({ columns, groups }: Columns, values: ReadonlyArray<FeatureValue>): Encoded => {
  if (values.length !== columns.length) {
    return refuse(`expected ${columns.length} feature${columns.length === 1 ? "" : "s"}, got ${values.length}`)
  }
  const tensors: Record<string, Tensor> = {}
  for (const { spec, start, width } of groups) {
    const data = emptyData(spec.datatype, width)
    for (let i = 0; i < width; i++) {
      const value = values[start + i]!
      const expected = write(spec.datatype, data, i, value)
      if (expected !== undefined) {
        return refuse(`${columnLabel(columns[start + i]!, start + i)}: expected ${expected}, got ${describe(value)}`)
      }
    }
    tensors[spec.name] = { datatype: spec.datatype, shape: spec.shape.length === 1 ? [1] : [1, width], data }
  }
  return Result.succeed(tensors)
}

/** Makes the encoder of records: every named column must be there, and nothing else. */
const recordEncoder = (columns: Columns, names: ReadonlyArray<string>) => {
  const known = new Set(names)
  return (fields: Readonly<Record<string, FeatureValue>>): Encoded => {
    const missing = names.filter((name) => !Object.hasOwn(fields, name))
    if (missing.length > 0) return refuse(`missing feature${missing.length === 1 ? "" : "s"} ${quoted(missing)}`)
    const given = Object.keys(fields)
    if (given.length > names.length) {
      const unknown = given.filter((name) => !known.has(name))
      return refuse(`no feature is named ${quoted(unknown)}: the model has ${quoted(names)}`)
    }
    return encodeRow(columns, names.map((name) => fields[name]!))
  }
}

export interface RowEncoder {
  readonly accepts: ReadonlyArray<Item["_tag"]>
  readonly encode: (item: Item) => Encoded
}

/** Rows always; records if every column has a name; texts if the only column holds strings. */
export const makeRowEncoder = (columns: Columns): RowEncoder => {
  const names = columns.columns.flatMap((column) => column.name ?? [])
  const named = names.length === columns.columns.length ? recordEncoder(columns, names) : undefined
  const takesText = columns.columns.length === 1 && columns.columns[0]!.datatype === "BYTES"
  return {
    accepts: [...(takesText ? ["Text" as const] : []), "Features", ...(named === undefined ? [] : ["Record" as const])],
    encode: (item) => {
      switch (item._tag) {
        case "Features":
          return encodeRow(columns, item.values)
        case "Record":
          return named === undefined
            ? refuse("this model's features have no names: send them as a row, in order")
            : named(item.fields)
        case "Text":
          return takesText
            ? encodeRow(columns, [item.text])
            : refuse("expected a row or record of features, got a text")
        case "Tokens":
          return refuse(`expected ${takesText ? "a text" : "a row or record of features"}, got token ids`)
      }
    }
  }
}
