/**
 * A direct route and Effect's HTTP answer the same to whatever is asked of them: status, headers and body.
 */
import { assert, describe, it, layer, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib"
import { http, type HttpAnswer, type HttpCall } from "../harness/Http.ts"
import { sampleIs } from "../harness/Metrics.ts"
import { mood, moodyServer, occupy, openGate } from "../harness/Moody.ts"
import { rawPost, rawSocket } from "../harness/RawSocket.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, TestServer } from "../harness/ServerProcess.ts"
import { stable } from "../harness/Stable.ts"

type It = Vitest.MethodsNonLive<TestServer>
type Call = Omit<HttpCall, "port">

const decoded = ({ bytes, headers }: HttpAnswer): string => {
  switch (headers["content-encoding"]) {
    case "br":
      return brotliDecompressSync(bytes).toString()
    case "gzip":
      return gunzipSync(bytes).toString()
    case "deflate":
      return inflateSync(bytes).toString()
    default:
      return bytes.toString()
  }
}

/** Lengths vary with the times in a body. */
const varying = new Set(["date", "x-request-id", "content-length"])

/** An answer without what differs from one request to the next. */
const comparable = (answer: HttpAnswer) => {
  const text = decoded(answer)
  const headers = Object.entries(answer.headers).filter(([name]) => !varying.has(name)).map(([name, value]) => [
    name,
    name === "server-timing" ? value.replaceAll(/\d+\.\d\d/g, "0") : value
  ])
  const withoutId = (body: unknown): unknown =>
    typeof body === "object" && body !== null && "request_id" in body
      ? { ...body, request_id: body.request_id === answer.headers["x-request-id"] ? "the header's" : body.request_id }
      : body
  return {
    status: answer.status,
    headers: Object.fromEntries(headers),
    body: text === "" ? "" : withoutId(stable(JSON.parse(text)))
  }
}

/** Asks by both ways, and gives what the direct one answered. */
const both = Effect.fnUntraced(function*(request: Call) {
  const { port } = yield* TestServer
  const direct = yield* http({ port, ...request })
  const indirect = yield* http({ port, ...request, path: `${request.path}?` })
  assert.deepStrictEqual(comparable(direct), comparable(indirect), JSON.stringify(request).slice(0, 300))
  return direct
})

const predict = "/api/v1/predict"
const infer = "/v2/models/iris/infer"
const embeddings = "/v1/embeddings"
const row = [5.1, 3.5, 1.4, 0.2]
const rows = (count: number) => Array.from({ length: count }, (_, i) => row.map((value) => value + i / 1000))
const uncached = { "cache-control": "no-store" }
const own = { model: "iris", features: [row], use_cache: false }
const oip = { inputs: [{ name: "features", shape: [1, 4], datatype: "FP32", data: row }] }
const openAi = { model: "embeddings", input: "a text" }

const good: Readonly<Record<string, Call>> = {
  "a row": { path: predict, body: own },
  "a row with probabilities": { path: predict, body: { ...own, return_probabilities: true, consistent: true } },
  "a text": { path: predict, body: { texts: ["fine"], use_cache: false } },
  "a text beyond ASCII": { path: predict, body: { texts: ["schön \u{1F600} \u0000 \ud800"], use_cache: false } },
  "an embedding": { path: predict, body: { model: "embeddings", texts: ["a"], use_cache: false } },
  "no texts beside a text": { path: predict, body: { texts: ["a"], use_cache: false, unknown: [1] } },
  "a partial answer": { path: predict, body: { ...own, features: [row, [1]], partial: true } },
  "an id in the body": { path: predict, body: { ...own, id: "mine" } },
  "an id in the header": { path: predict, body: own, headers: { "x-request-id": "a.b:c" } },
  "a correlation id": { path: infer, body: oip, headers: { ...uncached, "x-correlation-id": "corr" } },
  "an id that is none": { path: infer, body: oip, headers: { ...uncached, "x-request-id": "a b" } },
  "a tensor": { path: infer, body: oip, headers: uncached },
  "a tensor for a version": { path: "/v2/models/iris/versions/v1/infer", body: oip, headers: uncached },
  "a nested tensor with an id": {
    path: infer,
    body: { id: "é", inputs: [{ ...oip.inputs[0], data: [row] }] },
    headers: uncached
  },
  "one output": { path: infer, body: { ...oip, outputs: [{ name: "label" }] }, headers: uncached },
  "an output with parameters": {
    path: infer,
    body: { ...oip, outputs: [{ name: "label", parameters: { binary_data: false } }] },
    headers: uncached
  },
  "parameters": {
    path: infer,
    body: { ...oip, parameters: { priority: 1, timeout: 5_000_000, consistent: true } },
    headers: uncached
  },
  "BYTES": {
    path: "/v2/models/sentiment/infer",
    body: { inputs: [{ name: "text", shape: [1], datatype: "BYTES", data: ["a good film"] }] },
    headers: uncached
  },
  "OpenAI's text": { path: embeddings, body: openAi, headers: uncached },
  "OpenAI's texts in base64": {
    path: embeddings,
    body: { ...openAi, input: ["a", "b"], encoding_format: "base64", dimensions: 2 },
    headers: uncached
  },
  "OpenAI's tokens": { path: embeddings, body: { ...openAi, input: [[4], [4, 6]] }, headers: uncached },
  "a byte order mark": { path: predict, body: `\ufeff${JSON.stringify(own)}` },
  "a type with a charset": {
    path: predict,
    body: own,
    headers: { "content-type": "application/json; charset=utf-8" }
  },
  "a chunked body": { path: predict, body: [JSON.stringify(own).slice(0, 9), JSON.stringify(own).slice(9)] },
  "a body in a coding": { path: predict, body: JSON.stringify(own), headers: { "content-encoding": "identity" } },
  "a method that another header overrides": {
    path: predict,
    body: own,
    headers: { "x-http-method-override": "DELETE", accept: "text/html" }
  },
  "many rows, compressed": {
    path: predict,
    body: { ...own, features: rows(400) },
    headers: { "accept-encoding": "gzip" }
  },
  "many rows in a tensor, compressed": {
    path: infer,
    body: { inputs: [{ ...oip.inputs[0], shape: [400, 4], data: rows(400) }] },
    headers: { ...uncached, "accept-encoding": "gzip, deflate, br" }
  },
  "many rows, deflated": {
    path: predict,
    body: { ...own, features: rows(400) },
    headers: { "accept-encoding": "br;q=0, deflate, *;q=0" }
  },
  "many rows for who wants no coding": {
    path: predict,
    body: { ...own, features: rows(400) },
    headers: { "accept-encoding": "identity" }
  },
  "a few rows for who wants a coding": { path: predict, body: own, headers: { "accept-encoding": "gzip" } },
  "ten thousand rows": {
    path: infer,
    body: { inputs: [{ ...oip.inputs[0], shape: [10_000, 4], data: rows(10_000) }] },
    headers: uncached
  },
  "ten thousand rows of results": { path: predict, body: { ...own, features: rows(10_000) } }
}

const bad: Readonly<Record<string, readonly [status: number, call: Call]>> = {
  "nothing": [400, { path: predict, body: "" }],
  "no JSON": [400, { path: infer, body: "{nope" }],
  "bytes that are no text": [400, { path: predict, body: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) }],
  "text that is cut in a character": [400, { path: predict, body: Buffer.from("{\"a\":\"é").subarray(0, 7) }],
  "no object": [400, { path: embeddings, body: "[1]" }],
  "deep lists": [400, { path: predict, body: `{"texts":${"[".repeat(50_000)}${"]".repeat(50_000)}}` }],
  "an unknown model": [404, { path: predict, body: { ...own, model: "gpt" } }],
  "an unknown model in the path": [404, { path: "/v2/models/gpt/infer", body: oip }],
  "a model of an object's name": [404, { path: "/v2/models/constructor/infer", body: oip }],
  "an unknown version": [404, { path: "/v2/models/iris/versions/v9/infer", body: oip }],
  "an unknown model of OpenAI's": [404, { path: embeddings, body: { ...openAi, model: "gpt" } }],
  "a wrong member": [400, { path: predict, body: { ...own, priority: "urgent" } }],
  "items of two kinds": [400, { path: predict, body: { ...own, texts: ["a"] } }],
  "too few features": [422, { path: predict, body: { ...own, features: [[1]] } }],
  "a wrong element": [400, { path: infer, body: { inputs: [{ ...oip.inputs[0], data: [1, "2", 3, 4] }] } }],
  "too few elements": [400, { path: infer, body: { inputs: [{ ...oip.inputs[0], data: [1] }] } }],
  "ragged rows": [400, { path: infer, body: { inputs: [{ ...oip.inputs[0], shape: [2, 4], data: [row, [1]] }] } }],
  "an unknown output": [400, { path: infer, body: { ...oip, outputs: [{ name: "nope" }] } }],
  "a member named __proto__": [400, {
    path: infer,
    body: `{"__proto__":{"inputs":[]},"inputs":[{"name":"__proto__","shape":[1],"datatype":"FP32","data":[1]}]}`
  }],
  "a priority that is none": [400, { path: infer, body: { ...oip, parameters: { priority: 0.5 } } }],
  "a model without embeddings": [422, { path: embeddings, body: { ...openAi, model: "iris" } }],
  "too many dimensions": [400, { path: embeddings, body: { ...openAi, dimensions: 5000 } }],
  "a timeout that is none": [400, { path: predict, body: own, headers: { "x-sluice-timeout-ms": "soon" } }],
  "two mistakes": [400, { path: predict, body: "{}", headers: { "x-sluice-timeout-ms": "soon" } }],
  "another type": [415, { path: predict, body: "{}", headers: { "content-type": "text/plain" } }],
  "another coding": [415, { path: infer, body: "{}", headers: { "content-encoding": "br" } }],
  "too much": [413, { path: predict, body: { ...own, padding: "x".repeat(9 * 1024 * 1024) } }],
  "too much, its size untold": [413, { path: infer, body: ["{\"a\":\"", "x".repeat(9 * 1024 * 1024), "\"}"] }],
  "a long problem, compressed": [400, {
    path: predict,
    body: { ...own, model: "x".repeat(3000) },
    headers: { "accept-encoding": "gzip" }
  }],
  "another method": [405, { path: predict, method: "GET" }],
  "HEAD": [405, { path: infer, method: "HEAD" }],
  "a wrong key": [401, { path: infer, body: oip, headers: { "x-token": "wrong" } }]
}

const token = "the-key"

const withKey = (call: Call): Call => ({ ...call, headers: { "x-token": token, ...call.headers } })

const differential = (it: It) => {
  describe("answers alike", () => {
    for (const [name, call] of Object.entries(good)) {
      it.effect(
        name,
        () => Effect.map(both(withKey(call)), ({ status, text }) => assert.strictEqual(status, 200, text))
      )
    }

    it.effect("what the cache has, and part of which it has", () =>
      Effect.gen(function*() {
        const ask = (...texts: ReadonlyArray<string>) => both(withKey({ path: predict, body: { texts } }))
        const { port } = yield* TestServer
        yield* http({ port, ...withKey({ path: predict, body: { texts: ["cached before"] } }) })
        assert.strictEqual((yield* ask("cached before")).headers["x-cache"], "hit")
      }))
  })

  describe("refuses alike", () => {
    for (const [name, [status, call]] of Object.entries(bad)) {
      it.effect(
        name,
        () => Effect.map(both(withKey(call)), (answer) => assert.strictEqual(answer.status, status, answer.text))
      )
    }
  })
}

/** The lines of one answer, without what differs from one to the next; the order of headers means nothing. */
const comparableLines = (text: string) =>
  text.split("\r\n").filter((line) => !/^(date|x-request-id|server-timing|content-length):/i.test(line)).sort()

const statuses = (received: string) =>
  Array.from(received.matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status]) => Number(status))

const connections = (it: It) => {
  it.effect("answers pipelined requests in their order, of both ways in turn", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      const headers = { "X-Token": token, "Cache-Control": "no-store" }
      const bodyOf = (id: string) => JSON.stringify({ ...oip, id })
      const received = yield* rawSocket({
        port,
        text: rawPost(infer, bodyOf("one"), headers) + rawPost(`${infer}?`, bodyOf("two"), headers) +
          rawPost(infer, "{", headers) + rawPost(predict, JSON.stringify(own), headers) +
          rawPost(infer, bodyOf("five"), { ...headers, Connection: "close" })
      })
      assert.deepStrictEqual(statuses(received), [200, 200, 400, 200, 200])
      const places = ["\"id\":\"one\"", "\"id\":\"two\"", "not JSON", "\"prediction\"", "\"id\":\"five\""].map((text) =>
        received.indexOf(text)
      )
      assert.deepStrictEqual(places, [...places].sort((a, b) => a - b))
      assert.notInclude(places, -1)
    }))

  it.effect("treats a body that ends early, or comes in pieces, alike", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      const received = (path: string, options: Omit<Parameters<typeof rawSocket>[0], "port" | "text">, cut: number) => {
        const whole = rawPost(path, JSON.stringify(oip), { "X-Token": token, "Cache-Control": "no-store" })
        return rawSocket({ port, text: whole.slice(0, whole.length - cut), ...options })
      }
      for (const options of [{ half: true }, { rest: JSON.stringify(oip).slice(-20) }]) {
        const finished = {
          ...options,
          ...("rest" in options ? { until: (text: string) => text.includes("]}]}") } : {})
        }
        const direct = yield* received(infer, finished, 20)
        const indirect = yield* received(`${infer}?`, finished, 20)
        assert.deepStrictEqual(comparableLines(direct), comparableLines(indirect))
        assert.deepStrictEqual(statuses(direct), ["rest" in options ? 200 : 400])
      }
      assert.strictEqual((yield* http({ port, ...withKey({ path: infer, body: oip }) })).status, 200)
    }))

  it.effect("is the way neither of which complains of", () =>
    Effect.map(TestServer, (server) => assert.notInclude(server.output(), "fault of the server")))
}

layer(TestServer.layer({ registry: leanRegistry, env: { AUTH_TOKEN: token } }), { excludeTestServices: true })((it) => {
  describe("a direct route", () => differential(it))
  describe("a connection", () => connections(it))
})

describe("a model in trouble", () => {
  it.live("is told of alike, and who leaves is dropped alike", () =>
    Effect.gen(function*() {
      const server = yield* readyServer(
        moodyServer({ failing: {}, busy: { queueCapacity: 1 } }, { LOG_LEVEL: "debug" })
      )
      const ask = (model: string, value: number, more: object = {}): Call => ({
        path: predict,
        body: { model, features: [[value]], use_cache: false, ...more }
      })
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* both(ask("failing", mood.notANumber))).status, 502)
        assert.strictEqual((yield* both(ask("failing", mood.throwsInEncode))).status, 502)
        const waiting = yield* occupy("busy")
        assert.strictEqual((yield* both(ask("busy", mood.fine, { timeout_ms: 20 }))).status, 504)
        for (const suffix of ["", "?"]) {
          const { body } = ask("busy", mood.fine)
          const left = yield* Effect.forkChild(
            http({
              port: server.port,
              path: predict + suffix,
              body,
              headers: { "x-request-id": `left${suffix.length}` }
            })
          )
          yield* sampleIs("sluice_queue_length", "busy", 1)
          assert.strictEqual((yield* both(ask("busy", mood.fine))).status, 503)
          yield* Fiber.interrupt(left)
          yield* sampleIs("sluice_queue_length", "busy", 0)
          yield* server.printed(new RegExp(`left${suffix.length}.*"status":499.*the client left`))
        }
        yield* openGate("busy")
        assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
      }).pipe(Effect.provideService(TestServer, server))
    }))
})
