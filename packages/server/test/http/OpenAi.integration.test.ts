/**
 * OpenAI's embeddings call, as its SDKs make it, on the shipped embedding model.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { call } from "../harness/Http.ts"
import { inRepository, TestServer } from "../harness/ServerProcess.ts"

const registry = `
models:
  embeddings:
    default_version: v1
    versions:
      v1:
        path: ${inRepository("config/models/sentiment_v2/model.onnx")}
        plugin: text
        precision: int8
        options: { task: text-embedding }
  iris:
    default_version: v1
    versions:
      v1: { path: ${inRepository("config/models/iris/model.onnx")} }
`

interface Embeddings {
  readonly object: string
  readonly data: ReadonlyArray<{ readonly object: string; readonly index: number; readonly embedding: unknown }>
  readonly model: string
  readonly usage: { readonly prompt_tokens: number; readonly total_tokens: number }
}

const embed = (body: Readonly<Record<string, unknown>>) =>
  Effect.map(
    call({ path: "/v1/embeddings", body: { model: "embeddings", ...body } }),
    (answer) => ({ ...answer, body: answer.json() as Embeddings })
  )

const vectors = (body: Embeddings) =>
  body.data.map(({ embedding }) => {
    if (typeof embedding !== "string") return Float32Array.from(embedding as ReadonlyArray<number>)
    const bytes = Buffer.from(embedding, "base64")
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4))
  })

const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0)

layer(TestServer.layer({ registry }), { excludeTestServices: true })("OpenAI", (it) => {
  it.effect("embeds a text as floats, and counts its tokens", () =>
    Effect.gen(function*() {
      const { body, headers, status } = yield* embed({ input: "The cat sits." })
      assert.strictEqual(status, 200)
      assert.strictEqual(headers["content-type"], "application/json")
      assert.strictEqual(headers["x-model-version"], "v1")
      assert.deepStrictEqual(Object.keys(body), ["object", "data", "model", "usage"])
      assert.deepStrictEqual(Object.keys(body.data[0] ?? {}), ["object", "index", "embedding"])
      assert.deepStrictEqual([body.object, body.model, body.data[0]?.object], ["list", "embeddings", "embedding"])
      // [CLS] the cat sits . [SEP]
      assert.deepStrictEqual(body.usage, { prompt_tokens: 6, total_tokens: 6 })
      assert.strictEqual(vectors(body)[0]?.length, 384)
    }))

  it.effect("embeds texts in their order, near ones nearer", () =>
    Effect.gen(function*() {
      const input = ["The cat sits on the mat.", "Interest rates were raised.", "A kitten lies on the carpet."]
      const { body } = yield* embed({ input })
      assert.deepStrictEqual(body.data.map(({ index }) => index), [0, 1, 2])
      const [cat, rates, kitten] = vectors(body)
      assert.isAbove(dot(cat!, kitten!), dot(cat!, rates!) + 0.2)
    }))

  it.effect("has the same values in base64 of little-endian float32", () =>
    Effect.gen(function*() {
      const input = ["one text", "another text"]
      const floats = yield* embed({ input, encoding_format: "float" })
      const base64 = yield* embed({ input, encoding_format: "base64" })
      assert.isTrue(base64.body.data.every(({ embedding }) => typeof embedding === "string"))
      assert.deepStrictEqual(vectors(base64.body), vectors(floats.body))
      assert.deepStrictEqual(base64.body.usage, floats.body.usage)
    }))

  it.effect("cuts to the dimensions asked for, at length one again", () =>
    Effect.gen(function*() {
      const whole = vectors((yield* embed({ input: "a long text" })).body)[0]!
      const cut = vectors((yield* embed({ input: "a long text", dimensions: 8 })).body)[0]!
      const norm = Math.hypot(...whole.slice(0, 8))
      assert.strictEqual(cut.length, 8)
      cut.forEach((value, i) => assert.approximately(value, whole[i]! / norm, 1e-6))
    }))

  it.effect("embeds token ids as it does their text", () =>
    Effect.gen(function*() {
      // hello world
      const ids = [7592, 2088]
      const text = vectors((yield* embed({ input: "hello world" })).body)
      const one = yield* embed({ input: ids })
      const many = yield* embed({ input: [ids, [7592]] })
      assert.deepStrictEqual(vectors(one.body), text)
      assert.deepStrictEqual(vectors(many.body).slice(0, 1), text)
      assert.deepStrictEqual([one.body.usage.total_tokens, many.body.usage.total_tokens], [4, 7])
    }))

  it.effect("takes answers from the cache, whatever their encoding", () =>
    Effect.gen(function*() {
      const input = "a text for the cache"
      assert.strictEqual((yield* embed({ input })).headers["x-cache"], "miss")
      assert.strictEqual((yield* embed({ input, encoding_format: "base64" })).headers["x-cache"], "hit")
      assert.strictEqual((yield* embed({ input: [input, "a new one"] })).headers["x-cache"], "partial")
    }))

  it.effect("lists its models", () =>
    Effect.gen(function*() {
      const model = (id: string) => ({ id, object: "model", created: 0, owned_by: "sluice" })
      const list = yield* call({ path: "/v1/models" })
      assert.deepStrictEqual(list.json(), { object: "list", data: [model("embeddings"), model("iris")] })
      assert.deepStrictEqual((yield* call({ path: "/v1/models/iris" })).json(), model("iris"))
    }))

  it.effect("tells errors in OpenAI's shape", () =>
    Effect.gen(function*() {
      const answer = yield* call({ path: "/v1/models/gpt" })
      assert.strictEqual(answer.status, 404)
      assert.strictEqual(answer.headers["content-type"], "application/json")
      assert.deepStrictEqual(answer.json(), {
        error: {
          message: "no model is named \"gpt\": GET /models lists those that are served",
          type: "invalid_request_error",
          param: null,
          code: "model_not_found"
        }
      })
      const dimensions = yield* call({
        path: "/v1/embeddings",
        body: { model: "embeddings", input: "a", dimensions: 385 }
      })
      assert.strictEqual(dimensions.status, 400)
      assert.nestedPropertyVal(dimensions.json(), "error.param", "dimensions")
    }))

  it.effect("refuses models that make no embeddings", () =>
    Effect.gen(function*() {
      const answer = yield* call({ path: "/v1/embeddings", body: { model: "iris", input: "a" } })
      assert.strictEqual(answer.status, 422)
    }))
})
