/**
 * The sklearn-onnx plugin: its contract, the shipped models' goldens, and small models of each form that skl2onnx makes.
 */
import { assert, describe, it } from "@effect/vitest"
import type { FeatureValue, Item } from "@sluice/plugin-sdk"
import { conformance } from "@sluice/plugin-sdk/Conformance"
import { fileContext } from "@sluice/plugin-sdk/ConformanceSubject"
import { splitRows, stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import sklearn from "../src/main.ts"
import type { SklearnOptions } from "../src/SklearnOptions.ts"

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const shipped = (path: string): string => here(`../../../config/models/${path}`)
const fixture = (name: string): string => here(`./fixtures/${name}.onnx`)
const readJson = (path: string) => JSON.parse(readFileSync(here(path), "utf8"))

const text = (text: string): Item => ({ _tag: "Text", text })
const row = (values: ReadonlyArray<FeatureValue>): Item => ({ _tag: "Features", values })
const record = (fields: Readonly<Record<string, FeatureValue>>): Item => ({ _tag: "Record", fields })

const invalidOptions = [
  { options: { target: "clustering" }, path: ["target"] },
  { options: { features: ["a", "a"] }, path: ["features"] },
  { options: { label: ["a"] }, path: ["label"] }
]

const flower = { "sepal length (cm)": 5, "sepal width (cm)": 3, "petal length (cm)": 4, "petal width (cm)": 1 }

conformance("sklearn-onnx with iris", {
  plugin: sklearn,
  path: shipped("iris/model.onnx"),
  invalidOptions,
  items: [row([5.1, 3.5, 1.4, 0.2]), row([6.7, 3, 5.2, 2.3]), record(flower)],
  invalidItems: [row([1, 2, 3]), row([1, 2, 3, null]), record({ ...flower, colour: "blue" }), record({})]
})

conformance("sklearn-onnx with texts", {
  plugin: sklearn,
  path: shipped("sentiment_v1/model.onnx"),
  invalidOptions,
  items: [text("wonderful"), text(""), text("the worst of all films")],
  invalidItems: [row([1]), row(["a", "b"])]
})

conformance("sklearn-onnx with one input a column", {
  plugin: sklearn,
  path: fixture("mixed"),
  invalidOptions,
  items: [row([11.6, 9.56, "Southampton"]), record({ age: 30, fare: 80, port: "Cherbourg" })],
  invalidItems: [row(["11.6", 9.56, "Southampton"]), row([11.6, 9.56, 3])]
})

/** Predictions for items, all in one batch. */
const predict = (path: string, items: ReadonlyArray<Item>, options: SklearnOptions = {}) =>
  Effect.gen(function*() {
    const context = fileContext(path)
    const model = yield* sklearn.load(context, options)
    const codec = yield* sklearn.codec!(context, options, model.signature)
    const rows = items.map((item) => Result.getOrThrow(codec.encode(item)))
    return splitRows(yield* model.run(stackRows(rows, codec.padding)), rows.length).map(codec.decode)
  })

interface Golden {
  readonly labels: ReadonlyArray<string>
  readonly outputs: {
    readonly label: ReadonlyArray<number>
    readonly probabilities: ReadonlyArray<ReadonlyArray<number>>
  }
}

const assertGolden = (golden: Golden, predictions: Effect.Success<ReturnType<typeof predict>>, tolerance: number) => {
  assert.deepStrictEqual(
    predictions.map(({ prediction }) => prediction),
    golden.outputs.label.map((label) => golden.labels[label])
  )
  for (const [i, { probabilities }] of predictions.entries()) {
    assert.deepStrictEqual(Object.keys(probabilities!), golden.labels)
    for (const [k, expected] of golden.outputs.probabilities[i]!.entries()) {
      assert.closeTo(probabilities![golden.labels[k]!]!, expected, tolerance)
    }
  }
}

describe("the goldens", () => {
  // The tolerances are those of the goldens' own notes
  const tables = [
    ["breast-cancer.fp32", "breast-cancer/model.onnx", 1e-4],
    ["breast-cancer.fp16", "breast-cancer/model_fp16.onnx", 5e-3],
    ["iris-gbdt.fp32", "iris/model.onnx", 1e-4]
  ] as const

  for (const [name, path, tolerance] of tables) {
    it.effect(`of ${name} are reproduced from rows and from records`, () =>
      Effect.gen(function*() {
        const golden = readJson(`./golden/${name}.json`)
        const rows: ReadonlyArray<ReadonlyArray<number>> = golden.inputs.features
        assertGolden(golden, yield* predict(shipped(path), rows.map(row)), tolerance)
        const names: ReadonlyArray<string> =
          readJson(`../../../config/models/${path.split("/")[0]}/model.json`).features
        const records = rows.map((values) => record(Object.fromEntries(values.map((value, i) => [names[i]!, value]))))
        assertGolden(golden, yield* predict(shipped(path), records), tolerance)
      }))
  }

  it.effect("of sentiment-tfidf are reproduced", () =>
    Effect.gen(function*() {
      const golden = readJson("./golden/sentiment-tfidf.fp32.json")
      const items = golden.inputs.map((input: { readonly text: string }) => text(input.text))
      assertGolden(golden, yield* predict(shipped("sentiment_v1/model.onnx"), items), 1e-4)
    }))
})

describe("scikit-learn's own answers", () => {
  const goldens = readJson("./fixtures/goldens.json")
  const rowsOf = (name: string): ReadonlyArray<Item> => goldens[name].rows.map(row)

  for (const name of ["mixed", "integers"]) {
    it.effect(`are given with the file's class names: ${name}`, () =>
      Effect.gen(function*() {
        const { classes, prediction, probabilities } = goldens[name]
        const predictions = yield* predict(fixture(name), rowsOf(name))
        assert.deepStrictEqual(predictions.map((each) => each.prediction), prediction)
        for (const [i, each] of predictions.entries()) {
          for (const [k, label] of classes.entries()) {
            assert.closeTo(each.probabilities![String(label)]!, probabilities[i][k], 1e-5)
          }
        }
      }))
  }

  it.effect("are given as numbers: regression", () =>
    Effect.gen(function*() {
      const predictions = yield* predict(fixture("regression"), rowsOf("regression"))
      for (const [i, { prediction }] of predictions.entries()) {
        assert.closeTo(Number(prediction), goldens.regression.prediction[i], 1e-5)
      }
    }))

  it.effect("are given without probabilities where there are but distances", () =>
    Effect.gen(function*() {
      const predictions = yield* predict(fixture("distances"), rowsOf("distances"), { labels: ["below", "above"] })
      assert.deepStrictEqual(
        predictions,
        goldens.distances.prediction.map((above: boolean) => ({ prediction: above ? "above" : "below" }))
      )
    }))
})

describe("options against the model", () => {
  const refusal = (path: string, options: SklearnOptions) =>
    Effect.map(Effect.flip(predict(path, [], options)), (error) => error.message)

  it.effect("are refused with what the model has", () =>
    Effect.gen(function*() {
      assert.match(
        yield* refusal(shipped("iris/model.onnx"), { labels: ["a", "b"] }),
        /has 3 classes, but there are 2 labels/
      )
      assert.match(
        yield* refusal(shipped("iris/model.onnx"), { features: ["a"] }),
        /1 feature names, but the model has 4 columns/
      )
      assert.match(
        yield* refusal(fixture("regression"), { target: "classification" }),
        /needs an output of class labels/
      )
    }))
})

describe("recognise", () => {
  it.effect("tells scikit-learn's models by their outputs or who made them", () =>
    Effect.gen(function*() {
      const reason = (path: string) => sklearn.recognise!(fileContext(path).files)
      assert.strictEqual(
        yield* reason(shipped("sentiment_v1/model.onnx")),
        `its outputs are "label" and "probabilities"`
      )
      assert.strictEqual(yield* reason(fixture("regression")), "skl2onnx made it")
      assert.isUndefined(yield* reason(shipped("sentiment_v2/model.onnx")))
      assert.isUndefined(yield* reason("/somewhere/model.pkl"))
    }))
})
