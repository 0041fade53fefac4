/**
 * RPC from callers that keep to no schema, and to models that fail: over HTTP and WebSocket.
 */
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import { RpcAccess } from "@sluice/api/SluiceRpcs"
import { SluiceClient } from "@sluice/client/SluiceClient"
import { InferenceError } from "@sluice/domain/Errors"
import { PredictRequest } from "@sluice/domain/PredictRequest"
import { PredictResponse } from "@sluice/domain/PredictResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import * as Socket from "effect/socket/Socket"
import { gzipSync } from "node:zlib"
import { call } from "../harness/Http.ts"
import { sample, sampleIs } from "../harness/Metrics.ts"
import { gate, mood, moodyServer, occupy, openGate } from "../harness/Moody.ts"
import { TestServer } from "../harness/ServerProcess.ts"

type It = Vitest.MethodsNonLive<TestServer>

const AnyValue = Schema.Union([Schema.Number, Schema.String, Schema.Boolean, Schema.Null])

/** The same call as the server's, but for numbers that are none. */
class LaxRpcs extends RpcGroup.make(
  Rpc.make("Predict", {
    payload: Schema.Struct({
      ...PredictRequest.fields,
      features: Schema.optionalKey(Schema.Array(Schema.Array(AnyValue)))
    }),
    success: PredictResponse,
    error: InferenceError
  })
).middleware(RpcAccess) {}

const transports = {
  WebSocket: (port: number) =>
    RpcClient.layerProtocolSocket().pipe(
      Layer.provide([
        Socket.layerWebSocket(`ws://localhost:${port}/rpc/ws`).pipe(
          Layer.provide(Socket.layerWebSocketConstructorGlobal)
        ),
        RpcSerialization.layerSchemaBinary()
      ])
    ),
  HTTP: (port: number) =>
    RpcClient.layerProtocolHttp({ url: `http://localhost:${port}/rpc` }).pipe(
      Layer.provide([FetchHttpClient.layer, RpcSerialization.layerNdjson])
    )
}

const clients = { WebSocket: SluiceClient.layerWs, HTTP: SluiceClient.layerHttp }

const noKey = RpcMiddleware.layerClient(RpcAccess, ({ next, request }) => next(request))

const iris = { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]], use_cache: false }
const record = { "sepal length (cm)": 1, "sepal width (cm)": 2, "petal length (cm)": 3, "petal width (cm)": 4 }

const asking = <A, E>(
  name: keyof typeof clients,
  ask: (client: SluiceClient["Service"]) => Effect.Effect<A, E>
) =>
  Effect.flatMap(
    TestServer,
    ({ port }) =>
      Effect.flatMap(SluiceClient, ask).pipe(Effect.provide(clients[name]({ url: `http://localhost:${port}` })))
  )

const overEach = (it: It, name: keyof typeof transports) => {
  it.effect("refuses numbers that are none, and answers the next call of the connection", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      yield* Effect.gen(function*() {
        const lax = yield* RpcClient.make(LaxRpcs)
        for (const value of [NaN, Infinity, -Infinity]) {
          const exit = yield* Effect.exit(lax.Predict({ ...iris, features: [[1, value, 3, 4]] }))
          assert.isTrue(Exit.isFailure(exit), String(value))
          if (Exit.isFailure(exit) && name === "WebSocket") {
            assert.include(Cause.pretty(exit.cause), "[\"features\"][0][1]")
          }
        }
        assert.strictEqual((yield* lax.Predict(iris)).results[0]?.prediction, "setosa")
      }).pipe(Effect.provide([transports[name](port), noKey]), Effect.scoped)
    }))

  const refusals: Readonly<
    Record<string, readonly [request: typeof PredictRequest.Type, tag: string, message: string]>
  > = {
    "no items": [{}, "MalformedRequest", "one of texts, features and records is needed"],
    "empty texts": [{ texts: [] }, "MalformedRequest", "texts: expected at least one item"],
    "an unknown model": [{ ...iris, model: "gpt" }, "ModelNotFound", "\"gpt\""],
    "an unknown version": [{ ...iris, model_version: "v9" }, "VersionNotFound", "\"v9\""],
    "a wrong feature count": [{ model: "iris", features: [[1, 2]] }, "InvalidInput", "expected 4 features, got 2"],
    "a null feature": [{ model: "iris", features: [[1, 2, null, 4]] }, "InvalidInput", "got null"],
    "a missing record field": [
      { model: "iris", records: [{ ...record, "petal width (cm)": 1 }, {}] },
      "InvalidInput",
      "item 1: missing features"
    ],
    "a record field of an object's name": [
      { model: "iris", records: [{ ...record, constructor: 1 }] },
      "InvalidInput",
      "\"constructor\""
    ],
    "a record field __proto__": [
      { model: "iris", records: [Object.fromEntries([...Object.entries(record), ["__proto__", 1]])] },
      "InvalidInput",
      "\"__proto__\""
    ]
  }
  for (const [title, [request, tag, message]] of Object.entries(refusals)) {
    it.effect(`refuses ${title} with the catalogue's error`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(asking(name, (client) => client.predict(request)))
        assert.strictEqual(error._tag, tag)
        assert.include(error.message, message)
      }))
  }

  it.effect("answers 10,000 items", () =>
    Effect.gen(function*() {
      const features = Array.from({ length: 10_000 }, (_, i) => [i % 10, i % 7, i % 5, i % 3])
      const { results } = yield* asking(name, (client) => client.predict({ model: "iris", features }))
      assert.strictEqual(results.length, 10_000)
    }))

  it.effect("tells each way in which a model fails by its own error, to that call only", () =>
    Effect.gen(function*() {
      yield* gate("moody")
      yield* asking(
        name,
        Effect.fnUntraced(function*(client) {
          const ask = (value: number) => client.predict({ model: "moody", features: [[value]], use_cache: false })
          const tags: Array<string> = []
          for (const value of [mood.throws, mood.wrongShape, mood.throwsInEncode, mood.throwsInDecode, mood.exits]) {
            // On the same connection, and in the same moment where it is a WebSocket.
            const other = yield* Effect.forkChild(client.predict(iris), { startImmediately: true })
            tags.push((yield* Effect.flip(ask(value)))._tag)
            assert.strictEqual((yield* Fiber.join(other)).results[0]?.prediction, "setosa")
          }
          assert.deepStrictEqual(tags, ["ModelFailed", "ModelFailed", "ModelFailed", "ModelFailed", "InstanceLost"])
          const late = yield* Effect.flip(client.predict({
            model: "moody",
            features: [[mood.waits]],
            timeout_ms: 20,
            use_cache: false
          }))
          assert.strictEqual(late._tag, "DeadlineExceeded")
          yield* openGate("moody")
          assert.strictEqual((yield* ask(mood.fine)).results[0]?.prediction, 2)
        })
      )
    }))
}

const request = (payload: string) => `{"_tag":"Request","id":"1","tag":"Predict","payload":${payload},"headers":[]}\n`

const overHttp = (it: It) => {
  const send = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
    call({ path: "/rpc", body, headers: { "content-type": "application/x-ndjson", ...headers } })

  it.effect("tells what is wrong with a call that keeps to no schema, and nothing of the server's inside", () =>
    Effect.gen(function*() {
      const calls: Readonly<Record<string, string>> = {
        [request("{\"texts\":5}")]: "texts",
        [request("{\"model\":\"iris\",\"features\":[[1e999]]}")]: "features",
        [request(`{"texts":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)]: "texts",
        [request("null")]: "Expected",
        [request("{}").replace("Predict", "Nope")]: "Unknown request tag",
        "garbage\n": "not valid JSON",
        "null\n": "",
        "[1]\n": "",
        "{\"_tag\":\"Request\"}\n": "",
        "{\"_tag\":\"Interrupt\",\"requestId\":\"7\"}\n": "",
        "{\"_tag\":\"Ack\",\"requestId\":\"7\"}\n": ""
      }
      for (const [body, detail] of Object.entries(calls)) {
        const answer = yield* send(body)
        assert.isBelow(answer.status, 500, answer.text)
        assert.include(answer.text, detail)
        assert.notMatch(answer.text, /\.[jt]s:|node_modules|\/packages\//)
      }
    }))

  it.effect("refuses 10 MB, also as a small body that becomes so large", () =>
    Effect.gen(function*() {
      const body = request(JSON.stringify({ texts: ["x".repeat(10 << 20)] }))
      const headers = { "content-encoding": "gzip" }
      for (const answer of [yield* send(body), yield* send(gzipSync(body), headers)]) {
        assert.strictEqual(answer.status, 413)
        assert.propertyVal(answer.json(), "code", "payload_too_large")
      }
    }))

  it.effect("says at the WebSocket's path that it takes nothing else", () =>
    Effect.gen(function*() {
      const answer = yield* call({ path: "/rpc/ws" })
      assert.strictEqual(answer.status, 400)
      assert.include(answer.text, "WebSockets only")
    }))
}

const openSocket = (port: number, path = "/rpc/ws") =>
  Effect.acquireRelease(
    Effect.callback<WebSocket, "refused">((resume) => {
      const socket = new WebSocket(`ws://localhost:${port}${path}`)
      socket.addEventListener("open", () => resume(Effect.succeed(socket)))
      socket.addEventListener("close", () => resume(Effect.fail("refused")))
    }),
    (socket) => Effect.sync(() => socket.close())
  )

const closed = (socket: WebSocket) =>
  Effect.callback<void>((resume) => socket.addEventListener("close", () => resume(Effect.void)))

const overWebSocket = (it: It) => {
  it.effect("survives messages that are none", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      for (const message of ["garbage", new Uint8Array([255, 255, 255, 255, 0, 1, 2]), new Uint8Array(64).fill(7)]) {
        const socket = yield* openSocket(port)
        socket.send(message)
        assert.strictEqual((yield* call({ path: "/livez" })).status, 200)
      }
    }))

  it.effect("drops the calls of a client that leaves", () =>
    Effect.gen(function*() {
      const busy = yield* occupy("moody")
      const before = (yield* sample("sluice_abandoned_requests_total", "moody")) ?? NaN
      const client = yield* Effect.forkChild(
        asking("WebSocket", (client) => client.predict({ model: "moody", features: [[1], [2]], use_cache: false }))
      )
      yield* sampleIs("sluice_queue_length", "moody", 2)
      yield* Fiber.interrupt(client)
      yield* sampleIs("sluice_queue_length", "moody", 0)
      assert.strictEqual(yield* sample("sluice_abandoned_requests_total", "moody"), before + 1)
      yield* openGate("moody")
      assert.strictEqual((yield* Fiber.join(busy)).status, 200)
    }))

  it.effect("closes a connection whose message is too large, and no other", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      yield* Effect.gen(function*() {
        const client = yield* SluiceClient
        assert.strictEqual((yield* client.health).status, "active")
        const socket = yield* openSocket(port)
        socket.send(new Uint8Array(10 << 20))
        yield* closed(socket)
        assert.strictEqual((yield* client.predict(iris)).results.length, 1)
      }).pipe(Effect.provide(SluiceClient.layerWs({ url: `http://localhost:${port}` })))
    }))

  it.effect("upgrades nothing at other paths", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      for (const path of ["/", "/rpc", "/health", "/v2"]) {
        const outcome = yield* Effect.match(openSocket(port, path), {
          onSuccess: () => "opened",
          onFailure: (refused) => refused
        })
        assert.strictEqual(outcome, "refused", path)
      }
    }))
}

layer(TestServer.layer(moodyServer({ moody: {} })), { excludeTestServices: true })((it) => {
  describe("RPC over WebSocket", () => {
    overEach(it, "WebSocket")
    overWebSocket(it)
  })
  describe("RPC over HTTP", () => {
    overEach(it, "HTTP")
    overHttp(it)
  })
  describe("after all this", () => {
    it.effect("the server answers, and nothing was a fault of its own", () =>
      Effect.gen(function*() {
        const server = yield* TestServer
        assert.strictEqual((yield* call({ path: "/api/v1/predict", body: iris })).status, 200)
        assert.notInclude(server.output(), "fault of the server")
      }))
  })
})
