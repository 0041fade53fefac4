/**
 * Counting what an ONNX file is made of: files written here by the specification, hostile ones, and those that ship.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { inspectOnnx, inspectOnnxFile, precisionOf } from "../src/OnnxInspection.ts"
import { MalformedFile } from "../src/ProtobufReader.ts"
import { shipped } from "./Fixtures.ts"
import { bytes, number, sourceOf, text, varint } from "./OnnxBytes.ts"

type Bytes = ReadonlyArray<number>

const node = (operator: string, domain = "", ...attributes: ReadonlyArray<Bytes>): Bytes => [
  ...text(4, operator),
  ...(domain === "" ? [] : text(7, domain)),
  ...attributes.flatMap((attribute) => bytes(5, attribute))
]

const subgraph = (graph: Bytes): Bytes => [...text(1, "then_branch"), ...bytes(6, graph)]
const nodeIn = (operator: Bytes): Bytes => bytes(1, operator)

/** A weight of zeros in `size` bytes; its shape one number at a time, or packed. */
const weight = (type: number, shape: Bytes, size: number, packed = false): Bytes => [
  ...(packed ? bytes(1, shape.flatMap(varint)) : shape.flatMap((each) => number(1, each))),
  ...number(2, type),
  ...bytes(9, Array.from({ length: size }, () => 0))
]

const external = (type: number, shape: Bytes, location: string): Bytes => [
  ...shape.flatMap((each) => number(1, each)),
  ...number(2, type),
  ...bytes(13, [...text(1, "location"), ...text(2, location)]),
  ...bytes(13, [...text(1, "offset"), ...text(2, "4096")])
]

const model = (graph: Bytes, ...more: ReadonlyArray<Bytes>): Bytes => [
  ...number(1, 8),
  ...text(2, "exporter"),
  ...text(3, "2.1"),
  ...bytes(7, graph),
  ...more.flat(),
  ...bytes(8, number(2, 17))
]

const refusal = (content: ArrayLike<number>): string => {
  try {
    inspectOnnx(sourceOf(content))
  } catch (error) {
    if (error instanceof MalformedFile) return error.message
    throw error
  }
  return "accepted"
}

describe("inspectOnnx", () => {
  it("counts operators, those of subgraphs and functions included", () => {
    const inner = nodeIn(node("Add"))
    const report = inspectOnnx(sourceOf(model(
      [...nodeIn(node("Add")), ...nodeIn(node("If", "", subgraph(inner))), ...nodeIn(node("Gelu", "com.microsoft"))],
      bytes(25, [...text(1, "Twice"), ...bytes(7, node("Mul"))])
    )))
    assert.deepStrictEqual(report.operators, { Add: 2, "com.microsoft.Gelu": 1, If: 1, Mul: 1 })
    assert.deepStrictEqual([report.producer, report.irVersion, report.opsets], ["exporter 2.1", 8, { "": 17 }])
  })

  it("counts the numbers in weights by their type, however the shape is written", () => {
    const report = inspectOnnx(sourceOf(model([
      ...bytes(5, weight(1, [3, 4], 48)),
      ...bytes(5, weight(1, [200, 2], 1600, true)),
      ...bytes(5, weight(7, [], 8)),
      ...nodeIn(node("If", "", subgraph(bytes(5, weight(10, [5], 10)))))
    ])))
    assert.deepStrictEqual(report.weights, { float32: 412, float16: 5, int64: 1 })
    assert.strictEqual(report.parameters, 418)
    assert.strictEqual(report.precision, "fp32")
  })

  it("names the files that hold weights", () => {
    const report = inspectOnnx(sourceOf(model([
      ...bytes(5, external(1, [1000, 1000], "model.onnx_data")),
      ...bytes(5, external(1, [1000], "model.onnx_data"))
    ])))
    assert.deepStrictEqual([report.externalFiles, report.parameters], [["model.onnx_data"], 1_001_000])
  })

  it("names those of constants and sparse weights, too", () => {
    const constant = [...text(1, "value"), ...bytes(5, external(1, [4], "constant.bin"))]
    const sparse = [...bytes(1, external(1, [4], "values.bin")), ...bytes(2, external(7, [4], "indices.bin"))]
    const report = inspectOnnx(sourceOf(model([...nodeIn(node("Constant", "", constant)), ...bytes(15, sparse)])))
    assert.deepStrictEqual(report.externalFiles, ["constant.bin", "indices.bin", "values.bin"])
  })

  it("does not read the weights", () => {
    const source = sourceOf(model(bytes(5, weight(1, [250_000], 1_000_000))))
    inspectOnnx(source)
    assert.isBelow(source.bytesRead(), 40_000)
  })

  const nested = (depth: number): Bytes =>
    depth === 0 ? nodeIn(node("Add")) : nodeIn(node("If", "", subgraph(nested(depth - 1))))

  it.each<readonly [string, ArrayLike<number>, RegExp]>([
    ["graphs that nest without end", model(nested(60)), /nested more than 32 deep/],
    ["a weight that no machine could hold", model(bytes(5, weight(1, [2 ** 31, 2 ** 31], 0))), /no machine could hold/],
    [
      "a weight of a negative size",
      model(bytes(5, [...varint(8), ...Array.from({ length: 9 }, () => 0xff), 1, ...number(2, 1)])),
      /no shape/
    ],
    ["a shape without end", model(bytes(5, weight(1, Array.from({ length: 100 }, () => 1), 0))), /no shape/],
    ["an operator's name without end", model(nodeIn(node("A".repeat(5000)))), /a text of 5000 bytes/],
    [
      "operators without end",
      model(Array.from({ length: 10_001 }, (_, i) => nodeIn(node(`Op${i}`))).flat()),
      /operators/
    ],
    [
      "files of weights without end",
      model(Array.from({ length: 1001 }, (_, i) => bytes(5, external(1, [1], `part-${i}`))).flat()),
      /more than 1000 files/
    ]
  ])("refuses %s", (_, content, says) => {
    assert.match(refusal(content), says)
  })

  it("refuses or reads any bytes, and never fails otherwise", () => {
    const whole = model([
      ...nodeIn(node("If", "", subgraph(nodeIn(node("Add"))))),
      ...bytes(5, weight(1, [3, 4], 48, true)),
      ...bytes(5, external(1, [4], "data"))
    ])
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (content) => {
      assert.isString(refusal(content))
    }))
    fc.assert(fc.property(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 }), (place, value) => {
      assert.isString(refusal(whole.with(place, value)))
    }))
    fc.assert(fc.property(fc.nat({ max: whole.length - 1 }), (length) => {
      assert.isString(refusal(whole.slice(0, length)))
    }))
  })
})

describe("precisionOf", () => {
  it("goes by what most weights are", () => {
    assert.strictEqual(precisionOf(new Map([["float32", 10], ["int64", 90]]), false), "fp32")
    assert.strictEqual(precisionOf(new Map([["float16", 10], ["float32", 1]]), false), "fp16")
    assert.strictEqual(precisionOf(new Map(), false), "fp32")
  })

  it("calls int8 what computes with quantised weights, and not what only has some bytes", () => {
    assert.strictEqual(precisionOf(new Map([["int8", 40], ["float32", 60]]), true), "int8")
    assert.strictEqual(precisionOf(new Map([["uint8", 40], ["float32", 60]]), false), "fp32")
    assert.strictEqual(precisionOf(new Map([["int8", 4], ["float16", 96]]), true), "fp16")
  })
})

describe("the models that ship", () => {
  it.effect.each([
    ["sentiment_v1/model.onnx", "fp32"],
    ["sentiment_v2/model.onnx", "int8"],
    ["breast-cancer/model.onnx", "fp32"],
    ["breast-cancer/model_fp16.onnx", "fp16"],
    ["iris/model.onnx", "fp32"]
  ])("%s", ([path = "", precision]) =>
    Effect.gen(function*() {
      const report = yield* inspectOnnxFile(shipped(path))
      assert.strictEqual(report.precision, precision)
      assert.isNotEmpty(report.operators)
    }))
})
