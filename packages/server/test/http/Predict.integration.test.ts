/**
 * The platform's own routes on the shipped models, over real sockets.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { call, type HttpCall } from "../harness/Http.ts"
import { TestServer } from "../harness/ServerProcess.ts"
import { stable } from "../harness/Stable.ts"

type Body = HttpCall["body"]
type Headers = Readonly<Record<string, string>>

const predict = (body: Body, headers: Headers = {}) => call({ path: "/api/v1/predict", body, headers })

const legacyPredict = (body: Body) => call({ path: "/api/v1/inference/predict", body })

/** The same answer to every question, as far as it is not the result. */
const answered = (model: string, version: string, results: ReadonlyArray<unknown>, requestId: string) => ({
  request_id: requestId,
  model,
  model_version: version,
  results,
  latency_ms: 0,
  inference_time_seconds: 0,
  throughput_samples_per_sec: 0
})

const setosa = [5.1, 3.5, 1.4, 0.2]
const virginica = [6.3, 3.3, 6, 2.5]
const irisRecord = (values: ReadonlyArray<number>) => ({
  "petal width (cm)": values[3],
  "petal length (cm)": values[2],
  "sepal width (cm)": values[1],
  "sepal length (cm)": values[0]
})

layer(TestServer.layer(), { excludeTestServices: true })("predict", (it) => {
  it.effect("answers a text by the default model, with scores", () =>
    Effect.gen(function*() {
      const answer = yield* predict({ id: "req-001", texts: ["I love this product!"] })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers["content-type"], "application/json")
      assert.strictEqual(answer.headers["x-model-version"], "v1")
      assert.deepStrictEqual(
        stable(answer.json()),
        answered("sentiment", "v1", [{
          text: "I love this product!",
          prediction: "positive",
          scores: { negative: 0.087, positive: 0.913 },
          latency_ms: 0,
          cached: false
        }], "req-001")
      )
    }))

  it.effect("answers by the version that is named, with the scores left out on request", () =>
    Effect.gen(function*() {
      const answer = yield* predict({
        id: "a",
        model: "sentiment",
        model_version: "v2",
        texts: ["A wonderful film.", "A waste of time."],
        return_probabilities: false
      })
      const result = (text: string, prediction: string) => ({ text, prediction, latency_ms: 0, cached: false })
      assert.strictEqual(answer.headers["x-model-version"], "v2")
      assert.deepStrictEqual(
        stable(answer.json()),
        answered(
          "sentiment",
          "v2",
          [result("A wonderful film.", "positive"), result("A waste of time.", "negative")],
          "a"
        )
      )
    }))

  it.effect("answers rows in their order, with probabilities on request", () =>
    Effect.gen(function*() {
      const rows = { id: "b", model: "iris", features: [virginica, setosa, virginica] }
      const bare = yield* predict({ ...rows, use_cache: false })
      const result = (prediction: string) => ({ prediction, latency_ms: 0, cached: false })
      const expected = ["virginica", "setosa", "virginica"].map(result)
      assert.deepStrictEqual(stable(bare.json()), answered("iris", "v1", expected, "b"))
      const full = yield* predict({ ...rows, use_cache: false, return_probabilities: true })
      const probabilities = [
        { setosa: 0.002, versicolor: 0.002, virginica: 0.996 },
        { setosa: 0.996, versicolor: 0.002, virginica: 0.002 },
        { setosa: 0.002, versicolor: 0.002, virginica: 0.996 }
      ]
      assert.deepStrictEqual(
        stable(full.json()),
        answered("iris", "v1", expected.map((result, i) => ({ ...result, probabilities: probabilities[i] })), "b")
      )
    }))

  it.effect("answers a record as the row of its fields, whatever their order", () =>
    Effect.gen(function*() {
      const request = { id: "c", model: "iris", return_probabilities: true, use_cache: false }
      const rows = yield* predict({ ...request, features: [setosa, virginica] })
      const records = yield* predict({ ...request, records: [setosa, virginica].map(irisRecord) })
      assert.strictEqual(records.status, 200)
      assert.deepStrictEqual(stable(records.json()), stable(rows.json()))
    }))

  it.effect("answers an embedding", () =>
    Effect.gen(function*() {
      const answer = yield* predict({ model: "embeddings", texts: ["a red apple"] })
      const body = answer.json() as { readonly results: ReadonlyArray<{ readonly embedding: ReadonlyArray<number> }> }
      assert.strictEqual(body.results[0]?.embedding.length, 384)
      assert.approximately(Math.hypot(...body.results[0]!.embedding), 1, 1e-5)
    }))

  it.effect("tells which items failed where partial results are asked for, and fails where they are not", () =>
    Effect.gen(function*() {
      const request = { id: "d", model: "iris", features: [setosa, [1, 2]], use_cache: false }
      const partial = yield* predict({ ...request, partial: true })
      assert.strictEqual(partial.status, 200)
      assert.deepStrictEqual(
        stable(partial.json()),
        answered("iris", "v1", [
          { prediction: "setosa", latency_ms: 0, cached: false },
          { error: { code: "invalid_input", status: 422, detail: "item 1: expected 4 features, got 2" } }
        ], "d")
      )
      assert.strictEqual((yield* predict(request)).status, 422)
    }))

  it.effect("takes each answer from the cache once it is there", () =>
    Effect.gen(function*() {
      const ask = (texts: ReadonlyArray<string>, headers: Headers = {}, more = {}) =>
        Effect.map(predict({ texts, ...more }, headers), (answer) => {
          const body = answer.json() as { readonly results: ReadonlyArray<{ readonly cached: boolean }> }
          return [answer.headers["x-cache"], ...body.results.map((result) => result.cached)]
        })
      const [one, two, three] = ["first of the cache", "second of the cache", "third of the cache"]
      assert.deepStrictEqual(yield* ask([one]), ["miss", false])
      assert.deepStrictEqual(yield* ask([one]), ["hit", true])
      assert.deepStrictEqual(yield* ask([one, two]), ["partial", true, false])
      assert.deepStrictEqual(yield* ask([one], {}, { use_cache: false }), ["bypass", false])
      assert.deepStrictEqual(yield* ask([three], { "cache-control": "no-store" }), ["bypass", false])
      assert.deepStrictEqual(yield* ask([three], { "cache-control": "max-age=0, no-cache" }), ["miss", false])
      assert.deepStrictEqual(yield* ask([three]), ["hit", true])
    }))

  it.effect("takes a model's path for the model, if the registry lists it", () =>
    Effect.gen(function*() {
      const answer = yield* legacyPredict({ id: "e", model_path: "models/iris/model.onnx", features: [setosa] })
      const body: unknown = { ...(stable(answer.json()) as object), results: [] }
      assert.deepStrictEqual(body, answered("iris", "v1", [], "e"))
      const fp16 = yield* legacyPredict({
        model_path: "models/breast-cancer/model_fp16.onnx",
        model_version: "v1-fp16",
        features: [Array(30).fill(1)]
      })
      assert.strictEqual(fp16.headers["x-model-version"], "v1-fp16")
    }))

  it.effect("reads no file for a path that the registry does not list", () =>
    Effect.gen(function*() {
      const paths = [
        "/etc/passwd",
        "models/iris/../iris/model.onnx",
        "./models/iris/model.onnx",
        `${process.cwd()}/config/models/iris/model.onnx`,
        ""
      ]
      for (const path of paths) {
        const answer = yield* legacyPredict({ model_path: path, features: [setosa] })
        assert.strictEqual(answer.status, 404, path)
        assert.propertyVal(answer.json(), "code", "model_not_found")
      }
    }))

  it.effect("is the same under the older name", () =>
    Effect.gen(function*() {
      const request = { id: "f", texts: ["same under both names"], use_cache: false }
      const [own, legacy] = [yield* predict(request), yield* legacyPredict(request)]
      assert.deepStrictEqual(stable(legacy.json()), stable(own.json()))
    }))
})
