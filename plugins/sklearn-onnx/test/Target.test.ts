import { assert, describe, it } from "@effect/vitest"
import type { Datatype, TensorData, TensorSpec } from "@sluice/plugin-sdk"
import * as Result from "effect/Result"
import type { SklearnOptions } from "../src/SklearnOptions.ts"
import { type ClassNames, makeDecoder, targetOf } from "../src/Target.ts"

const output = (name: string, datatype: Datatype, ...shape: ReadonlyArray<number>): TensorSpec => ({
  name,
  datatype,
  shape
})

const label = output("label", "INT64", -1)
const probabilities = output("probabilities", "FP32", -1, 2)
const variable = output("variable", "FP32", -1, 1)

const target = (options: SklearnOptions, ...outputs: ReadonlyArray<TensorSpec>): string =>
  Result.match(targetOf(options, { outputs }), {
    onSuccess: (found) =>
      found._tag === "Regression"
        ? `number ${found.value.name}`
        : `class ${found.label.name} ${found.probabilities?.name}`,
    onFailure: (reason) => reason
  })

describe("targetOf", () => {
  it.each<[string, string, string]>([
    ["skl2onnx's classifier", target({}, label, probabilities), "class label probabilities"],
    [
      "its older names",
      target({}, output("output_probability", "FP32", -1, 3), output("output_label", "BYTES", -1)),
      "class output_label output_probability"
    ],
    ["names of another's choice", target({}, output("p", "FP32", -1, 3), output("c", "INT64", -1, 1)), "class c p"],
    ["a classifier without probabilities", target({}, label), "class label undefined"],
    ["skl2onnx's regressor", target({}, variable), "number variable"],
    ["a number in a plain row", target({}, output("y", "FP64", -1)), "number y"],
    ["whole numbers as a number, where said", target({ target: "regression" }, label), "number label"],
    [
      "the outputs that are said",
      target(
        { label_output: "c2", probabilities_output: "p2" },
        output("c1", "INT64", -1),
        output("c2", "INT64", -1),
        probabilities,
        output("p2", "FP32", -1, 2)
      ),
      "class c2 p2"
    ]
  ])("finds %s", (_, actual, expected) => {
    assert.strictEqual(actual, expected)
  })

  it.each<[string, string, RegExp]>([
    [
      "an output that is not there",
      target({ label_output: "c" }, label),
      /^the model has no output "c"; outputs: "label" INT64 \[-1\]$/
    ],
    [
      "a classifier without labels",
      target({ target: "classification" }, variable),
      /^target classification needs an output of class labels/
    ],
    [
      "neither class nor number",
      target({}, output("embedding", "FP32", -1, 8)),
      /^found neither an output of class labels nor one of numbers/
    ]
  ])("refuses %s", (_, actual, says) => {
    assert.match(actual, says)
  })
})

const decode = (names: ClassNames, [datatype, values]: [Datatype, TensorData], scores: ReadonlyArray<number>) =>
  makeDecoder(
    {
      _tag: "Classification",
      label: output("label", datatype, -1),
      probabilities: output("p", "FP32", -1, scores.length)
    },
    names
  )({
    label: { datatype, shape: [1], data: values },
    p: { datatype: "FP32", shape: [1, scores.length], data: Float32Array.from(scores) }
  })

const unnamed: ClassNames = { classes: undefined, labels: undefined }
const second: [Datatype, TensorData] = ["INT64", BigInt64Array.of(1n)]

describe("makeDecoder", () => {
  it("names a class by its place where there are no names", () => {
    assert.deepStrictEqual(decode(unnamed, second, [0.25, 0.75]), {
      prediction: 1,
      probabilities: { 0: 0.25, 1: 0.75 }
    })
  })

  it("names classes by the labels", () => {
    assert.deepStrictEqual(decode({ ...unnamed, labels: ["no", "yes"] }, second, [0.25, 0.75]), {
      prediction: "yes",
      probabilities: { no: 0.25, yes: 0.75 }
    })
  })

  it("takes a number for a class, not for its place, where the file lists the classes", () => {
    const names = { classes: [5, 1], labels: undefined }
    assert.deepStrictEqual(decode(names, second, [0.25, 0.75]), { prediction: 1, probabilities: { 5: 0.25, 1: 0.75 } })
    assert.strictEqual(decode({ ...names, labels: ["five", "one"] }, second, [0.25, 0.75]).prediction, "one")
  })

  it("takes names from the file, and renames them by the labels", () => {
    const yes: [Datatype, TensorData] = ["BYTES", ["yes"]]
    const names = { classes: ["no", "yes"], labels: undefined }
    assert.deepStrictEqual(decode(names, yes, [0.25, 0.75]), {
      prediction: "yes",
      probabilities: { no: 0.25, yes: 0.75 }
    })
    assert.strictEqual(decode({ ...names, labels: ["dead", "alive"] }, yes, [0.25, 0.75]).prediction, "alive")
  })

  it("gives a truth value as one", () => {
    assert.deepStrictEqual(decode(unnamed, ["BOOL", Uint8Array.of(1)], []), { prediction: true })
  })

  it.each([[[-0.2, 1.2]], [[0.3]], [[2, 3]], [[0.5, 0.2]]])("does not call the scores %j probabilities", (scores) => {
    assert.deepStrictEqual(decode(unnamed, second, scores), { prediction: 1 })
  })

  it("reads half-precision numbers", () => {
    const halves = Uint16Array.of(0, 0xc000).subarray(1)
    const value = makeDecoder({ _tag: "Regression", value: output("y", "FP16", -1) }, unnamed)
    assert.deepStrictEqual(value({ y: { datatype: "FP16", shape: [1], data: halves } }), { prediction: -2 })
  })
})
