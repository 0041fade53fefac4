import { assert, describe, it } from "@effect/vitest"
import type { OipInput } from "@sluice/api/OipApi"
import type { Datatype, Tensor } from "@sluice/domain/Tensor"
import { parseExact } from "@sluice/server/calls/ExactJson"
import { elementsText, tensorHead, tensorOf } from "@sluice/server/calls/OipTensors"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 })

const sizeOf = (shape: ReadonlyArray<number>) => shape.reduce((size, dimension) => size * dimension, 1)

const integers = (min: number, max: number) => fc.integer({ min, max })

/** JSON has no minus zero. */
const noMinusZero = (value: number) => value === 0 ? 0 : value

const halfBits = (value: number) => new Uint16Array(Float16Array.of(value).buffer)[0]!
const halves = fc.integer({ min: 0, max: 0xffff }).filter((bits) => {
  const value = new Float16Array(Uint16Array.of(bits).buffer)[0]!
  return Number.isFinite(value) && !Object.is(value, -0)
})
const floats = fc.float({ noNaN: true, noDefaultInfinity: true }).map(noMinusZero)
const doubles = fc.double({ noNaN: true, noDefaultInfinity: true }).map(noMinusZero)
const longs = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const unsignedLongs = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })

const tensor = <A>(
  datatype: Datatype,
  element: fc.Arbitrary<A>,
  data: (values: ReadonlyArray<A>) => Tensor["data"]
): fc.Arbitrary<Tensor> =>
  shapes.chain((shape) => {
    const size = sizeOf(shape)
    return fc.array(element, { minLength: size, maxLength: size }).map((values) => ({
      datatype,
      shape,
      data: data(values)
    }))
  })

const tensors: Readonly<Record<Datatype, fc.Arbitrary<Tensor>>> = {
  BOOL: tensor("BOOL", integers(0, 1), (values) => Uint8Array.from(values)),
  UINT8: tensor("UINT8", integers(0, 255), (values) => Uint8Array.from(values)),
  UINT16: tensor("UINT16", integers(0, 65_535), (values) => Uint16Array.from(values)),
  UINT32: tensor("UINT32", integers(0, 4_294_967_295), (values) => Uint32Array.from(values)),
  UINT64: tensor("UINT64", unsignedLongs, (values) => BigUint64Array.from(values)),
  INT8: tensor("INT8", integers(-128, 127), (values) => Int8Array.from(values)),
  INT16: tensor("INT16", integers(-32_768, 32_767), (values) => Int16Array.from(values)),
  INT32: tensor("INT32", integers(-2_147_483_648, 2_147_483_647), (values) => Int32Array.from(values)),
  INT64: tensor("INT64", longs, (values) => BigInt64Array.from(values)),
  FP16: tensor("FP16", halves, (values) => Uint16Array.from(values)),
  FP32: tensor("FP32", floats, (values) => Float32Array.from(values)),
  FP64: tensor("FP64", doubles, (values) => Float64Array.from(values)),
  BYTES: tensor("BYTES", fc.string({ unit: "binary" }), (values) => values)
}

/** A tensor's whole text, or undefined where it has none. */
const tensorJson = (name: string, tensor: Tensor): string | undefined => {
  const elements = elementsText(tensor, 0, tensor.data.length)
  return elements === undefined ? undefined : `${tensorHead(name, tensor.datatype, tensor.shape)}${elements}]}`
}

const datatypes = Object.keys(tensors) as ReadonlyArray<Datatype>

/** Lists nested as the shape says, from elements in a row. */
const nest = (elements: ReadonlyArray<unknown>, shape: ReadonlyArray<number>): ReadonlyArray<unknown> => {
  const [size = 0, ...inner] = shape
  if (inner.length === 0) return elements
  const stride = sizeOf(inner)
  return Array.from({ length: size }, (_, i) => nest(elements.slice(i * stride, (i + 1) * stride), inner))
}

const read = (text: string | undefined) => parseExact(text ?? "null") as OipInput

const input = (
  datatype: Datatype,
  data: ReadonlyArray<unknown>,
  shape: ReadonlyArray<number> = [data.length]
): OipInput => ({
  name: "x",
  shape,
  datatype,
  data
})

describe.each(datatypes)("%s", (datatype) => {
  it("is read as it was written, flat and nested", () => {
    fc.assert(fc.property(tensors[datatype], (tensor) => {
      const flat = read(tensorJson("x", tensor))
      assert.deepStrictEqual(tensorOf(flat), Result.succeed(tensor))
      assert.deepStrictEqual(tensorOf({ ...flat, data: nest(flat.data, tensor.shape) }), Result.succeed(tensor))
    }))
  })

  it("refuses what it cannot hold, and names the element", () => {
    const good: unknown = datatype === "BYTES" ? "" : datatype === "BOOL" ? true : 1
    const strange: Readonly<Record<Datatype, ReadonlyArray<unknown>>> = {
      BOOL: [0, 1, "true"],
      UINT8: [-1, 256, 0.5, 2n ** 60n],
      UINT16: [-1, 65_536, 0.5],
      UINT32: [-1, 4_294_967_296, 0.5],
      UINT64: [-1, -1n, 2n ** 64n, 0.5],
      INT8: [-129, 128, 0.5],
      INT16: [-32_769, 32_768, 0.5],
      INT32: [-2_147_483_649, 2_147_483_648, 0.5],
      INT64: [2n ** 63n, -(2n ** 63n) - 1n, 2 ** 60, 0.5],
      FP16: [65_520, -65_520, 10n ** 20n],
      FP32: [3.5e38, -3.5e38, 10n ** 39n],
      FP64: [10n ** 309n],
      BYTES: [1, true]
    }
    for (const bad of [...strange[datatype], null, undefined, NaN, Infinity, [good], {}]) {
      const refused = tensorOf(input(datatype, [good, bad], [2]))
      assert.isTrue(Result.isFailure(refused), `${datatype} ${String(bad)}`)
      if (Result.isFailure(refused) && !Array.isArray(bad)) assert.strictEqual(refused.failure.field, "inputs.x.data.1")
    }
  })
})

describe("64-bit integers", () => {
  it("keep every digit of what JSON says", () => {
    const text = `{"name":"x","shape":[3],"datatype":"INT64","data":[9007199254740993,-9223372036854775808,7]}`
    const read = tensorOf(parseExact(text) as OipInput)
    assert.deepStrictEqual(
      read,
      Result.succeed({ datatype: "INT64", shape: [3], data: BigInt64Array.of(9007199254740993n, -(2n ** 63n), 7n) })
    )
  })
})

describe("floats", () => {
  it("take integers that are written with every digit", () => {
    const read = (datatype: Datatype, value: unknown) =>
      Result.map(tensorOf(input(datatype, [value])), ({ data }) => Array.from<unknown>(data))
    assert.deepStrictEqual(read("FP64", 10n ** 20n), Result.succeed([1e20]))
    assert.deepStrictEqual(read("FP32", 10n ** 20n), Result.succeed([Math.fround(1e20)]))
  })

  it("round to the nearest half", () => {
    const read = Result.map(tensorOf(input("FP16", [0.1, 65_519])), ({ data }) => Array.from<unknown>(data))
    assert.deepStrictEqual(read, Result.succeed([halfBits(0.1), halfBits(65_504)]))
  })

  it("have no text where they are no number", () => {
    const numbers = [NaN, Infinity, -Infinity]
    for (const value of numbers) {
      const tensors: ReadonlyArray<Tensor> = [
        { datatype: "FP16", shape: [2], data: Uint16Array.of(0, halfBits(value)) },
        { datatype: "FP32", shape: [2], data: Float32Array.of(0, value) },
        { datatype: "FP64", shape: [2], data: Float64Array.of(0, value) }
      ]
      for (const tensor of tensors) assert.isUndefined(tensorJson("y", tensor))
    }
  })
})

describe("shapes", () => {
  const detailOf = (input: OipInput) =>
    Result.match(tensorOf(input), { onSuccess: () => "", onFailure: (error) => error.message })

  it("must hold as many elements as there are", () => {
    assert.include(detailOf(input("FP32", [1, 2, 3], [2, 2])), "shape [2, 2] holds 4 elements, got 3")
    assert.strictEqual(detailOf(input("FP32", [1], [])), "")
    assert.include(detailOf(input("FP32", [], [1e9, 1e9])), "holds 1000000000000000000 elements, got 0")
  })

  it("must be that of the nesting", () => {
    for (
      const data of [[[1, 2], [3, 4], [5, 6]], [[1, 2, 3], [4, 5]], [[1, 2, 3], 4, 5, 6], [[[1, 2, 3]], [[4, 5, 6]]]]
    ) {
      assert.include(detailOf(input("FP32", data, [2, 3])), "nested as shape [2, 3]")
    }
  })
})
