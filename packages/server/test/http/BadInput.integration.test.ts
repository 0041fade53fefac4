/**
 * What no model can take, on each HTTP surface: the caller hears what is wrong in the surface's own shape, and the server
 * goes on.
 */
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { call, type HttpCall } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { TestServer } from "../harness/ServerProcess.ts"
import {
  answers,
  ask,
  bothWays,
  invalid,
  malformed,
  nested,
  oip,
  openAi,
  own,
  type Refusal,
  refuses,
  type Request,
  type Surface,
  surfaces
} from "../harness/Surfaces.ts"

type It = Vitest.MethodsNonLive<TestServer>

const mebibyte = 1024 * 1024

/** Bodies by what is wrong with them: as values, or as text where JSON.stringify cannot say it. */
type Cases = Readonly<Record<string, readonly [body: string | Readonly<Record<string, unknown>>, Partial<Refusal>]>>

const eachCase = (it: It, surface: Surface, cases: Cases) => {
  for (const [name, [body, expected]] of Object.entries(cases)) {
    it.effect(name, () => refuses(surface, { body }, expected))
  }
}

const iris = { "sepal length (cm)": 1, "sepal width (cm)": 2, "petal length (cm)": 3, "petal width (cm)": 4 }
const irisText = JSON.stringify(iris).slice(1)

const ownCases: Cases = {
  "no items at all": [{}, malformed("one of texts, features and records")],
  "empty texts": [{ texts: [] }, malformed("texts: expected at least one item")],
  "items of two kinds": [{ texts: ["a"], records: [{}] }, malformed("records: send it alone")],
  "a number for a text": [{ texts: ["a", 5] }, malformed("texts.1: Expected string")],
  "a text for the texts": [{ texts: "a" }, malformed("texts: Expected array")],
  "a list for a feature": [{ model: "iris", features: [[1, 2, 3, [4]]] }, malformed("features.0.3: Expected number")],
  "an object for a feature": [{ model: "iris", features: [[1, { a: 1 }, 3, 4]] }, malformed("features.0.1: Expected")],
  "an infinite feature": [
    "{\"model\":\"iris\",\"features\":[[1,1e999,3,4]]}",
    malformed("features.0.1: Expected a finite")
  ],
  "a feature beyond the datatype": [{ model: "iris", features: [[1, 1e39, 3, 4]] }, invalid("\"sepal width (cm)\"")],
  "a null feature": [
    { model: "iris", features: [[1, 2, null, 4]] },
    invalid("\"petal length (cm)\": expected a number")
  ],
  "a text for a feature": [{ model: "iris", features: [[1, 2, "3", 4]] }, invalid("expected a number, got a string")],
  "too few features": [
    { model: "iris", features: [[1, 2, 3, 4], [1, 2, 3]] },
    invalid("item 1: expected 4 features, got 3")
  ],
  "too many features": [{ model: "iris", features: [[1, 2, 3, 4, 5]] }, invalid("item 0: expected 4 features, got 5")],
  "a row of none": [{ model: "iris", features: [[]] }, invalid("expected 4 features, got 0")],
  "a missing record field": [
    { model: "iris", records: [iris, { ...iris, "sepal width (cm)": undefined }] },
    invalid("item 1: missing feature \"sepal width (cm)\"")
  ],
  "an unknown record field": [
    { model: "iris", records: [{ ...iris, size: 1 }] },
    invalid("no feature is named \"size\"")
  ],
  "a record field __proto__": [`{"model":"iris","records":[{"__proto__":1,${irisText}]}`, invalid("\"__proto__\"")],
  "a record field __proto__ of null": [
    `{"model":"iris","records":[{"__proto__":null,${irisText}]}`,
    invalid("\"__proto__\"")
  ],
  "a record field __proto__ for the others": [
    `{"model":"iris","records":[{"__proto__":{${irisText}}]}`,
    malformed("records.0.__proto__")
  ],
  "a record field constructor": [{ model: "iris", records: [{ ...iris, constructor: 1 }] }, invalid("\"constructor\"")],
  "texts for a tabular model": [{ model: "iris", texts: ["a"] }, invalid("expected a row or record")],
  "records for a text model": [{ records: [{ a: 1 }] }, invalid("item 0")],
  "an unknown model": [{ model: "gpt", texts: ["a"] }, { status: 404, code: "model_not_found", detail: "\"gpt\"" }],
  "a model of an object's name": [
    { model: "constructor", texts: ["a"] },
    { status: 404, code: "model_not_found", detail: "\"constructor\"" }
  ],
  "a model __proto__": [{ model: "__proto__", texts: ["a"] }, malformed("model: Expected a name")],
  "a model that is a path": [{ model: "../../etc/passwd", texts: ["a"] }, malformed("model: Expected a name")],
  "an unknown version": [
    { model_version: "v9", texts: ["a"] },
    { status: 404, code: "version_not_found", detail: "\"sentiment\" has no version \"v9\"" }
  ],
  "a version of an object's name": [
    { model_version: "toString", texts: ["a"] },
    { status: 404, code: "version_not_found", detail: "\"toString\"" }
  ],
  "an id of spaces": [{ id: "a b", texts: ["a"] }, malformed("id: Expected")],
  "no time at all": [{ timeout_ms: 0, texts: ["a"] }, malformed("timeout_ms: Expected")],
  "an unknown priority": [{ priority: "urgent", texts: ["a"] }, malformed("priority: Expected \"high\"")],
  "a text for a switch": [{ use_cache: "no", texts: ["a"] }, malformed("use_cache: Expected boolean")],
  "a text for consistent": [{ consistent: "yes", texts: ["a"] }, malformed("consistent: Expected boolean")],
  "texts nested deep": [`{"texts":${nested(200_000)}}`, malformed("texts.0: Expected string")],
  "features nested deep": [`{"features":[${nested(200_000)}]}`, malformed("features.0.0: Expected")]
}

const input = (change: Readonly<Record<string, unknown>>) => ({
  inputs: [{ name: "features", shape: [1, 4], datatype: "FP32", data: [1, 2, 3, 4], ...change }]
})

const data = (text: string) => `{"inputs":[{"name":"features","shape":[1,4],"datatype":"FP32","data":${text}}]}`

const oipCases: Cases = {
  "no inputs": [{ inputs: [] }, malformed("inputs")],
  "inputs that are no list": [{ inputs: { features: [1] } }, malformed("inputs: Expected array")],
  "an input without a shape": [{ inputs: [{ name: "features" }] }, malformed("inputs.0.shape: Missing key")],
  "an unknown input": [
    input({ name: "rows" }),
    malformed("inputs.rows: the model has no such input; it takes features")
  ],
  "an input __proto__": [input({ name: "__proto__" }), malformed("inputs.__proto__: the model has no such input")],
  "an input constructor": [
    input({ name: "constructor" }),
    malformed("inputs.constructor: the model has no such input")
  ],
  "an input __proto__ beside a good one": [
    { inputs: [...input({}).inputs, ...input({ name: "__proto__" }).inputs] },
    malformed("inputs.__proto__")
  ],
  "an input given twice": [
    { inputs: [...input({}).inputs, ...input({}).inputs] },
    malformed("inputs.features: given twice")
  ],
  "an unknown datatype": [input({ datatype: "FLOAT" }), malformed("inputs.0.datatype: Expected \"BOOL\"")],
  "another datatype than the model's": [input({ datatype: "INT64" }), malformed("datatype: expected FP32, got INT64")],
  "another shape than the model's": [input({ shape: [4, 1] }), malformed("shape: expected [-1, 4], got [4, 1]")],
  "no dimensions": [input({ shape: [], data: [1] }), malformed("shape: expected [-1, 4], got []")],
  "a hundred thousand dimensions": [input({ shape: Array(100_000).fill(1) }), malformed("inputs.0.shape")],
  "a negative dimension": [input({ shape: [-1, 4] }), malformed("inputs.0.shape.0")],
  "a dimension that is no integer": [input({ shape: [0.25, 16] }), malformed("inputs.0.shape.0: Expected an integer")],
  "too few elements": [input({ data: [1, 2, 3] }), malformed("shape [1, 4] holds 4 elements, got 3")],
  "a huge shape without elements": [
    input({ shape: [1e12, 4], data: [] }),
    malformed("holds 4000000000000 elements, got 0")
  ],
  "a shape beyond counting": [
    input({ shape: [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], data: [] }),
    malformed("elements, got 0")
  ],
  "a batch of none": [input({ shape: [0, 4], data: [] }), malformed("an empty batch")],
  "lists nested otherwise than the shape": [input({ data: [[1, 2], [3, 4]] }), malformed("nested as shape [1, 4]")],
  "a ragged list": [input({ data: [[1, 2, 3], 4] }), malformed("nested as shape [1, 4]")],
  "a list nested deep": [data(nested(200_000, "1")), malformed("nested as shape [1, 4]")],
  "a null element": [data("[1,null,3,4]"), malformed("inputs.features.data.1: expected a number")],
  "a text element": [data("[1,\"2\",3,4]"), malformed("inputs.features.data.1: expected a number")],
  "an element that is true": [data("[1,true,3,4]"), malformed("inputs.features.data.1: expected a number")],
  "an infinite element": [data("[1,1e999,3,4]"), malformed("inputs.features.data.1: expected a number")],
  "an element beyond the datatype": [data("[1,1e39,3,4]"), malformed("inputs.features.data.1: expected a number")],
  "an unknown output": [
    { ...input({}), outputs: [{ name: "classes" }] },
    malformed("has no output \"classes\"; it has label")
  ],
  "an output __proto__": [
    `${data("[1,2,3,4]").slice(0, -1)},"outputs":[{"name":"__proto__"}]}`,
    malformed("\"__proto__\"")
  ],
  "a parameter that is an object": [{ ...input({}), parameters: { a: {} } }, malformed("parameters.a: Expected")],
  "a priority that is none": [{ ...input({}), parameters: { priority: -1 } }, malformed("parameters.priority")],
  "a text for a switch": [{ ...input({}), parameters: { consistent: "yes" } }, malformed("parameters.consistent")],
  "an id that is a number": [{ ...input({}), id: 5 }, malformed("id: Expected string")]
}

const openAiCases: Cases = {
  "no model": [{ input: "a" }, malformed("model: Missing key")],
  "no input": [{ model: "embeddings" }, malformed("input: Missing key")],
  "an unknown model": [{ model: "gpt", input: "a" }, { status: 404, code: "model_not_found", detail: "\"gpt\"" }],
  "no texts": [{ model: "embeddings", input: [] }, malformed("input")],
  "an empty list of tokens": [{ model: "embeddings", input: [[]] }, malformed("input")],
  "texts and tokens": [{ model: "embeddings", input: ["a", 1] }, malformed("input")],
  "an object for a text": [{ model: "embeddings", input: { text: "a" } }, malformed("input")],
  "a negative token": [{ model: "embeddings", input: [-1] }, malformed("input")],
  "a token that is no integer": [{ model: "embeddings", input: [1.5] }, malformed("input")],
  "an infinite token": ["{\"model\":\"embeddings\",\"input\":[1e999]}", malformed("input")],
  "a token outside the vocabulary": [{ model: "embeddings", input: [4, 999_999] }, invalid("999999 is not the id")],
  "more than 2048 texts": [{ model: "embeddings", input: Array(2049).fill("a") }, malformed("at most 2048")],
  "an unknown encoding": [
    { model: "embeddings", input: "a", encoding_format: "hex" },
    malformed("\"float\" | \"base64\"")
  ],
  "no dimensions": [{ model: "embeddings", input: "a", dimensions: 0 }, malformed("dimensions")],
  "more dimensions than there are": [
    { model: "embeddings", input: "a", dimensions: 5 },
    malformed("this model makes 4")
  ],
  "a list nested deep": [`{"model":"embeddings","input":${nested(200_000)}}`, malformed("input")]
}

const large = (it: It) => {
  it.effect("are answered when a text has 1 MB, with words or without", () =>
    Effect.gen(function*() {
      for (const text of ["word ".repeat(200_000), "x".repeat(mebibyte)]) {
        const requests: ReadonlyArray<readonly [Surface, Request["body"]]> = [
          [own, { texts: [text], model: "sentiment" }],
          [own, { texts: [text], model: "embeddings" }],
          [openAi, { model: "embeddings", input: text }]
        ]
        for (const [surface, body] of requests) assert.strictEqual((yield* ask(surface, { body })).status, 200)
        const tensor = { name: "text", shape: [1], datatype: "BYTES", data: [text] }
        const answer = yield* call({ path: "/v2/models/embeddings/infer", body: { inputs: [tensor] } })
        assert.strictEqual(answer.status, 200)
      }
    }))

  it.effect("are answered when there are 10,000 items", () =>
    Effect.gen(function*() {
      const rows = Array.from({ length: 10_000 }, (_, i) => [i % 10, i % 7, i % 5, i / 10_000])
      const predicted = yield* ask(own, { body: { model: "iris", features: rows } })
      const { results } = predicted.json() as { readonly results: ReadonlyArray<unknown> }
      assert.strictEqual(results.length, 10_000)
      const inferred = yield* ask(oip, { body: input({ shape: [10_000, 4], data: rows.flat() }) })
      const { outputs } = inferred.json() as { readonly outputs: ReadonlyArray<{ readonly shape: unknown }> }
      assert.deepStrictEqual(outputs.map(({ shape }) => shape), [[10_000], [10_000, 3]])
    }))

  it.effect("are refused when millions of items hold nothing", () =>
    Effect.gen(function*() {
      const metadata = (yield* call({ path: "/v2/models/embeddings" })).json() as {
        readonly inputs: ReadonlyArray<{ readonly name: string; readonly datatype: string }>
      }
      const inputs = metadata.inputs.map((spec) => ({ ...spec, shape: [3_000_000, 0], data: [] }))
      const answer = yield* call({ path: "/v2/models/embeddings/infer", body: { inputs } })
      assert.strictEqual(answer.status, 400, answer.text)
    }))

  it.effect("are refused when a text model gets no text", () =>
    Effect.gen(function*() {
      const inputs = [{ name: "text", shape: [0], datatype: "BYTES", data: [] }]
      for (const model of ["embeddings", "sentiment"]) {
        const answer = yield* call({ path: `/v2/models/${model}/infer`, body: { inputs } })
        assert.strictEqual(answer.status, 400, answer.text)
      }
    }))
}

layer(TestServer.layer({ registry: leanRegistry }), { excludeTestServices: true })((it) => {
  for (const [surface, cases] of [[own, ownCases], [oip, oipCases], [openAi, openAiCases]] as const) {
    for (const way of bothWays(surface)) describe(`${way.name} refuses`, () => eachCase(it, way, cases))
  }
  describe("large requests", () => large(it))

  describe("unknown models and versions", () => {
    it.effect("are not found, whatever is asked of them", () =>
      Effect.gen(function*() {
        const body = JSON.stringify(oip.good)
        const calls: ReadonlyArray<Omit<HttpCall, "port">> = [
          { path: "/v2/models/gpt" },
          { path: "/v2/models/gpt/ready" },
          { path: "/v2/models/gpt/infer", body },
          { path: "/v2/models/iris/versions/v9" },
          { path: "/v2/models/iris/versions/v9/ready" },
          { path: "/v2/models/iris/versions/v9/infer", body },
          { path: "/v2/models/constructor" },
          { path: "/v2/models/iris/versions/__proto__" },
          { path: "/v2/models/%2e%2e%2fetc%2fpasswd" },
          { path: "/v1/models/__proto__" }
        ]
        for (const request of calls) {
          const answer = yield* call(request)
          assert.strictEqual(answer.status, 404, request.path)
        }
      }))
  })

  describe("after all this", () => {
    it.effect("every surface answers, and nothing was a fault of the server's", () =>
      Effect.gen(function*() {
        for (const surface of surfaces) yield* answers(surface)
        assert.notInclude((yield* TestServer).output(), "fault of the server")
      }))
  })
})
