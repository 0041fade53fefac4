/**
 * Rows stacked into batches and batches cut into rows.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Datatype, Tensor, TensorMap } from "@sluice/domain/Tensor"
import { canStack, elementCount, emptyData, splitRows, stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as fc from "fast-check"

const datatypes: ReadonlyArray<Datatype> = [
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "FP32",
  "FP64",
  "BYTES"
]

/** A tensor whose elements are 1, 2, 3, ... from `first` on, as its datatype writes them. */
const tensorOf = (datatype: Datatype, shape: ReadonlyArray<number>, first = 1): Tensor => {
  const data = emptyData(datatype, elementCount(shape))
  for (let i = 0; i < data.length; i++) {
    const value = (first + i) % 100
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(value)
    else if (ArrayBuffer.isView(data)) data[i] = value
    else (data as Array<string>)[i] = `t${value}`
  }
  return { datatype, shape, data }
}

const values = (tensor: Tensor): ReadonlyArray<number | bigint | string> =>
  Array.from<number | bigint | string>(tensor.data)

/** The element at a place, or undefined outside of the tensor. */
const at = (tensor: Tensor, place: ReadonlyArray<number>): number | bigint | string | undefined => {
  if (place.some((index, d) => index >= tensor.shape[d]!)) return undefined
  return tensor.data[place.reduce((offset, index, d) => offset * tensor.shape[d]! + index, 0)]
}

const places = (shape: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  shape.reduce<ReadonlyArray<ReadonlyArray<number>>>(
    (found, size) => found.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
    [[]]
  )

const datatype = fc.constantFrom(...datatypes)
const innerShape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })

describe("stackRows and splitRows", () => {
  it("give back the rows that were stacked", () => {
    fc.assert(fc.property(
      fc.array(fc.record({ datatype, inner: innerShape }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 5 }),
      (inputs, count) => {
        const rows: ReadonlyArray<TensorMap> = Array.from({ length: count }, (_, row) =>
          Object.fromEntries(
            inputs.map(({ datatype, inner }, i) => [`input${i}`, tensorOf(datatype, [1, ...inner], row * 7 + i)])
          ))
        const batch = stackRows(rows)
        for (const [i, { inner }] of inputs.entries()) {
          assert.deepStrictEqual(batch[`input${i}`]!.shape, [count, ...inner])
        }
        assert.deepStrictEqual(
          splitRows(batch, count).map((row) => Object.values(row).map(values)),
          rows.map((row) => Object.values(row).map(values))
        )
      }
    ))
  })

  it("fill up rows of unequal size with the padding, and move no element", () => {
    fc.assert(fc.property(
      datatype,
      fc.integer({ min: 1, max: 3 }).chain((rank) =>
        fc.array(fc.tuple(...Array.from({ length: rank }, () => fc.integer({ min: 0, max: 4 }))), {
          minLength: 2,
          maxLength: 4
        })
      ),
      fc.integer({ min: 0, max: 9 }),
      (datatype, inners, padding) => {
        const rows = inners.map((inner, i) => ({ x: tensorOf(datatype, [1, ...inner], i * 5) }))
        const batch = stackRows(rows, { x: padding })["x"]!
        const filler = datatype === "BYTES" ? "" : datatype.endsWith("INT64") ? BigInt(padding) : padding
        assert.deepStrictEqual(
          batch.shape,
          [rows.length, ...inners[0]!.map((_, d) => Math.max(...inners.map((inner) => inner[d]!)))]
        )
        for (const [row, ...inner] of places(batch.shape)) {
          assert.strictEqual(at(batch, [row!, ...inner]), at(rows[row!]!.x, [0, ...inner]) ?? filler)
        }
      }
    ))
  })

  it("stack batches of several rows as well", () => {
    const batch = stackRows([{ x: tensorOf("INT32", [2, 2]) }, { x: tensorOf("INT32", [1, 2], 5) }])["x"]!
    assert.deepStrictEqual(batch.shape, [3, 2])
    assert.deepStrictEqual(values(batch), [1, 2, 3, 4, 5, 6])
  })
})

describe("splitRows", () => {
  it("gives the rows in the middle their own elements", () => {
    const middle = splitRows({ x: tensorOf("FP32", [4, 3]) }, 4).slice(1, 3).map((row) => row["x"]!)
    assert.deepStrictEqual(middle.map(({ shape }) => shape), [[1, 3], [1, 3]])
    assert.deepStrictEqual(middle.flatMap((row) => values(row)), [4, 5, 6, 7, 8, 9])
  })
})

describe("canStack", () => {
  const row = { x: tensorOf("INT64", [1, 3]), y: tensorOf("FP32", [1]) }

  it("takes rows of the same form", () => {
    assert.isTrue(canStack(row, { x: tensorOf("INT64", [1, 3], 9), y: tensorOf("FP32", [1], 2) }))
  })

  it("takes unequal sizes only where there is padding", () => {
    const longer = { ...row, x: tensorOf("INT64", [1, 5]) }
    assert.isFalse(canStack(row, longer))
    assert.isFalse(canStack(row, longer, { y: 0 }))
    assert.isTrue(canStack(row, longer, { x: 0 }))
  })

  it.each([
    ["a missing input", { x: row.x }],
    ["another input", { x: row.x, z: row.y }],
    ["another datatype", { ...row, x: tensorOf("INT32", [1, 3]) }],
    ["another rank", { ...row, x: tensorOf("INT64", [1, 3, 1]) }]
  ])("refuses %s, padding or not", (_, other: TensorMap) => {
    assert.isFalse(canStack(row, other, { x: 0, y: 0 }))
    assert.isFalse(canStack(other, row, { x: 0, y: 0 }))
  })
})
