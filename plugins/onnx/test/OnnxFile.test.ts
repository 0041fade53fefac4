/**
 * Reading the headers of ONNX files, from bytes written here by the protobuf and ONNX specifications.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { parseOnnx } from "../src/OnnxFile.ts"
import { MalformedFile } from "../src/ProtobufReader.ts"
import { bytes, number, sourceOf, text } from "./OnnxBytes.ts"

const dimensions = (shape: ReadonlyArray<number | string>) =>
  shape.flatMap((size) => bytes(1, typeof size === "number" ? number(1, size) : text(2, size)))

const tensorValue = (name: string, type: number, shape?: ReadonlyArray<number | string>) => [
  ...text(1, name),
  ...bytes(2, bytes(1, [...number(1, type), ...(shape === undefined ? [] : bytes(2, dimensions(shape)))]))
]

const sequenceValue = (name: string) => [...text(1, name), ...bytes(2, bytes(4, []))]

const weight = (name: string, size: number) => [
  ...number(1, size),
  ...number(2, 1),
  ...text(8, name),
  ...bytes(9, Array.from({ length: size }, () => 0xff))
]

/** -1 and 2, in two's complement of 64 bits. */
const classlabels = [...text(1, "classlabels_int64s"), 64, ...Array.from({ length: 9 }, () => 0xff), 1, ...number(8, 2)]

const graph = [
  ...bytes(1, [...text(1, "x"), ...text(4, "Gemm"), ...bytes(5, [...text(1, "not_classlabels_18"), ...number(8, 7)])]),
  ...bytes(1, [...text(4, "TreeEnsembleClassifier"), ...bytes(5, classlabels)]),
  ...text(2, "main"),
  ...bytes(5, weight("w", 10_000)),
  ...bytes(11, tensorValue("x", 1, ["batch", 30])),
  ...bytes(11, tensorValue("w", 1, [10_000])),
  ...bytes(12, tensorValue("label", 7, ["batch"])),
  ...bytes(12, tensorValue("anything", 16)),
  ...bytes(12, sequenceValue("maps"))
]

const model = [
  ...number(1, 8),
  ...text(2, "tëst"),
  ...text(3, "1.2"),
  ...bytes(7, graph),
  ...bytes(8, number(2, 17)),
  ...bytes(8, [...text(1, "ai.onnx.ml"), ...number(2, 3)]),
  ...bytes(14, [...text(1, "key"), ...text(2, "value")])
]

const refusal = (content: ArrayLike<number>): string => {
  try {
    parseOnnx(sourceOf(content))
  } catch (error) {
    if (error instanceof MalformedFile) return error.message
    throw error
  }
  return "accepted"
}

describe("parseOnnx", () => {
  it("reads what a file says of itself", () => {
    assert.deepStrictEqual(parseOnnx(sourceOf(model)), {
      irVersion: 8,
      producer: "tëst",
      producerVersion: "1.2",
      opsets: { "": 17, "ai.onnx.ml": 3 },
      metadata: { key: "value" },
      classes: [-1, 2],
      inputs: [{ name: "x", kind: "tensor", datatype: "FP32", shape: [-1, 30] }],
      outputs: [
        { name: "label", kind: "tensor", datatype: "INT64", shape: [-1] },
        { name: "anything", kind: "tensor", datatype: undefined, shape: undefined },
        { name: "maps", kind: "sequence", datatype: undefined, shape: undefined }
      ]
    })
  })

  it("does not read the weights", () => {
    const large = [...number(1, 8), ...bytes(7, bytes(5, weight("w", 1_000_000))), ...bytes(8, number(2, 17))]
    const source = sourceOf(large)
    parseOnnx(source)
    assert.isBelow(source.bytesRead(), 20_000)
  })

  it("tells how much of a truncated file is there", () => {
    const cut = model.length - 5000
    const found = refusal(model.slice(0, cut)).match(/^it ends after (\d+) of at least (\d+) bytes$/)
    assert.strictEqual(Number(found?.[1]), cut)
    assert.isAbove(Number(found?.[2]), cut)
    assert.isAtMost(Number(found?.[2]), model.length)
  })

  it("accepts no part of a file that ends before its opset", () => {
    const opset = model.length - bytes(8, [...text(1, "ai.onnx.ml"), ...number(2, 3)]).length -
      bytes(14, [...text(1, "key"), ...text(2, "value")]).length
    fc.assert(fc.property(fc.integer({ min: 0, max: opset - 1 }), (length) => {
      assert.match(refusal(model.slice(0, length)), /^it (ends after \d+ |is empty)/)
    }))
  })

  it.each<[string, ArrayLike<number>, RegExp]>([
    ["an empty file", [], /^it is empty$/],
    ["a negative length", [...number(1, 8), 0x3a, ...Array.from({ length: 9 }, () => 0xff), 1], /^it is damaged$/],
    ["text", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\n"), /^it is not an ONNX model$/],
    ["JSON", new TextEncoder().encode(`{"version":"1.0"}`), /^it is not an ONNX model$/],
    ["another protobuf", [...text(2, "somebody"), ...number(5, 1)], /^it is not an ONNX model$/],
    [
      "a length past its message",
      [...number(1, 8), ...bytes(7, [0x0a, 0x7f, 0x00]), ...number(5, 1)],
      /^it is damaged$/
    ]
  ])("refuses %s", (_, content, says) => {
    assert.match(refusal(content), says)
  })

  it("refuses or reads any bytes, and never fails otherwise", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (content) => {
      assert.isString(refusal(content))
    }))
    fc.assert(fc.property(fc.nat({ max: model.length - 1 }), fc.nat({ max: 255 }), (place, value) => {
      assert.isString(refusal(model.with(place, value)))
    }))
  })
})
