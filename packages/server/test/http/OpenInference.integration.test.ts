/**
 * The Open Inference Protocol V2 over JSON, as its clients speak it.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { call } from "../harness/Http.ts"
import { inRepository, TestServer } from "../harness/ServerProcess.ts"
import { stable } from "../harness/Stable.ts"

/** Beside small models, two that tell what became of a value: one for each datatype, and one over texts. */
const registry = `
models:
  iris:
    default_version: v1
    versions:
      v1: { path: ${inRepository("config/models/iris/model.onnx")} }
      v2: { path: ${inRepository("config/models/iris/model.onnx")}, status: candidate }
  sentiment:
    default_version: v1
    versions:
      v1: { path: ${inRepository("config/models/sentiment_v1/model.onnx")} }
  embeddings:
    default_version: v1
    versions:
      v1: { path: ${inRepository("plugins/text/test/fixtures/tokenwise.onnx")} }
  datatypes:
    default_version: v1
    versions:
      v1: { path: ${inRepository("plugins/onnx/test/fixtures/datatypes.onnx")}, plugin: onnx }
`

const setosa = [5.1, 3.5, 1.4, 0.2]
const virginica = [6.3, 3.3, 6, 2.5]

const features = (rows: ReadonlyArray<unknown>, count = rows.length) => ({
  inputs: [{ name: "features", shape: [count, 4], datatype: "FP32", data: rows }]
})

const infer = (model: string, body: Readonly<Record<string, unknown>>, headers: Record<string, string> = {}) =>
  call({ path: `/v2/models/${model}/infer`, body, headers })

layer(TestServer.layer({ registry }), { excludeTestServices: true })("Open Inference Protocol", (it) => {
  it.effect("describes the server and its health", () =>
    Effect.gen(function*() {
      const server = (yield* call({ path: "/v2" })).json() as Readonly<Record<string, unknown>>
      assert.deepStrictEqual(Object.keys(server), ["name", "version", "extensions"])
      assert.strictEqual(server["name"], "sluice")
      assert.deepStrictEqual(server["extensions"], ["model_repository"])
      assert.deepStrictEqual((yield* call({ path: "/v2/health/live" })).json(), { live: true })
      const ready = yield* call({ path: "/v2/health/ready" })
      assert.deepStrictEqual([ready.status, ready.json()], [200, { ready: true }])
    }))

  it.effect("describes a model, its versions and tensors", () =>
    Effect.gen(function*() {
      const expected = {
        name: "iris",
        versions: ["v1", "v2"],
        platform: "sklearn-onnx",
        inputs: [{ name: "features", datatype: "FP32", shape: [-1, 4] }],
        outputs: [
          { name: "label", datatype: "INT64", shape: [-1] },
          { name: "probabilities", datatype: "FP32", shape: [-1, 3] }
        ]
      }
      assert.deepStrictEqual((yield* call({ path: "/v2/models/iris" })).json(), expected)
      assert.deepStrictEqual((yield* call({ path: "/v2/models/iris/versions/v2" })).json(), expected)
      for (const path of ["/v2/models/iris/ready", "/v2/models/iris/versions/v2/ready"]) {
        assert.deepStrictEqual((yield* call({ path })).json(), { name: "iris", ready: true })
      }
    }))

  it.effect("answers every output of a batch, from nested lists as from flat ones", () =>
    Effect.gen(function*() {
      const expected = {
        model_name: "iris",
        model_version: "v1",
        id: "req-7",
        outputs: [
          { name: "label", shape: [2], datatype: "INT64", data: [2, 0] },
          {
            name: "probabilities",
            shape: [2, 3],
            datatype: "FP32",
            data: [0.002, 0.002, 0.996, 0.996, 0.002, 0.002]
          }
        ]
      }
      const nested = yield* infer("iris", { id: "req-7", ...features([virginica, setosa]) })
      const flat = yield* infer("iris", { id: "req-7", ...features([...virginica, ...setosa], 2) })
      assert.strictEqual(nested.status, 200)
      assert.strictEqual(nested.headers["content-type"], "application/json")
      assert.strictEqual(nested.headers["x-model-version"], "v1")
      assert.deepStrictEqual([nested.headers["x-cache"], flat.headers["x-cache"]], ["miss", "hit"])
      assert.deepStrictEqual(stable(nested.json()), expected)
      assert.deepStrictEqual(stable(flat.json()), expected)
    }))

  it.effect("answers the outputs that are asked for, in that order, and has no id that was not given", () =>
    Effect.gen(function*() {
      const names = ["probabilities", "label"]
      const answer = yield* infer("iris", { ...features([setosa]), outputs: names.map((name) => ({ name })) })
      const body = answer.json() as { readonly outputs: ReadonlyArray<{ readonly name: string }> }
      assert.deepStrictEqual(body.outputs.map((output) => output.name), names)
      assert.notProperty(body, "id")
    }))

  it.effect("answers by the version that is named", () =>
    Effect.gen(function*() {
      const answer = yield* infer("iris/versions/v2", features([setosa]))
      assert.propertyVal(answer.json(), "model_version", "v2")
    }))

  it.effect("takes texts as BYTES of shape [n] and [n, 1], whether or not the model itself does", () =>
    Effect.gen(function*() {
      for (const model of ["sentiment", "embeddings"]) {
        const ask = (shape: ReadonlyArray<number>) =>
          infer(
            model,
            { inputs: [{ name: "text", shape, datatype: "BYTES", data: ["a good film", "a bad film"] }] },
            { "cache-control": "no-store" }
          )
        const [row, column] = [yield* ask([2]), yield* ask([2, 1])]
        assert.strictEqual(row.status, 200, model)
        assert.deepStrictEqual(row.json(), column.json())
      }
    }))

  it.effect("takes a text model's own tensors", () =>
    Effect.gen(function*() {
      const ids = [2, 4, 6, 3]
      const tensor = (name: string, data: ReadonlyArray<number>) => ({ name, shape: [1, 4], datatype: "INT64", data })
      const metadata = (yield* call({ path: "/v2/models/embeddings" })).json() as {
        readonly inputs: ReadonlyArray<{ readonly name: string }>
      }
      const raw = yield* infer("embeddings", {
        inputs: metadata.inputs.map(({ name }) => tensor(name, name === "input_ids" ? ids : ids.map(() => 1)))
      })
      const text = yield* infer("embeddings", {
        inputs: [{ name: "text", shape: [1], datatype: "BYTES", data: ["good film"] }]
      })
      assert.deepStrictEqual(raw.json(), text.json())
    }))

  it.effect("reads integers that are written as floats' values with every digit", () =>
    Effect.gen(function*() {
      // As JSON.stringify writes 1e20: without a point or an exponent.
      const body =
        `{"inputs":[{"name":"features","shape":[1,4],"datatype":"FP32","data":[100000000000000000000,1,2,3]}]}`
      assert.strictEqual((yield* call({ path: "/v2/models/iris/infer", body })).status, 200)
    }))

  it.effect("takes a timeout in microseconds, however long", () =>
    Effect.gen(function*() {
      for (const timeout of [5_000_000, 1e15, 1e18]) {
        const answer = yield* infer("iris", { ...features([setosa]), parameters: { timeout } })
        assert.strictEqual(answer.status, 200, String(timeout))
      }
    }))
})
