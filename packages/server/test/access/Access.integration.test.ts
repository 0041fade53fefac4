/**
 * A server with a key: which routes are open, which ask, and what a stranger learns.
 */
import { assert, layer } from "@effect/vitest"
import { SluiceClient } from "@sluice/client/SluiceClient"
import * as Effect from "effect/Effect"
import { call } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { TestServer } from "../harness/ServerProcess.ts"

const token = "open-sesame-5d41402abc"

const open = [
  "/health",
  "/livez",
  "/readyz",
  "/readiness",
  "/metrics",
  "/docs",
  "/redoc",
  "/redoc.standalone.js",
  "/openapi.json",
  "/v2/health/live",
  "/v2/health/ready"
]

const closed: ReadonlyArray<readonly [method: string, path: string]> = [
  ["POST", "/api/v1/predict"],
  ["POST", "/api/v1/inference/predict"],
  ["POST", "/api/v1/inference/warmup"],
  ["GET", "/api/v1/inference/cache/stats"],
  ["DELETE", "/api/v1/inference/cache/clear"],
  ["GET", "/api/v1/inference/health"],
  ["GET", "/models"],
  ["GET", "/api/v1/models"],
  ["GET", "/v2"],
  ["GET", "/v2/models/iris"],
  ["GET", "/v2/models/iris/ready"],
  ["GET", "/v2/models/iris/versions/v1"],
  ["POST", "/v2/models/iris/infer"],
  ["POST", "/v1/embeddings"],
  ["GET", "/v1/models"],
  ["GET", "/v1/models/iris"]
]

/** Ways to write a path that a careless check and a careless router would read differently. */
const disguises = [
  "/models/",
  "//models",
  "/MODELS",
  "/health/../models",
  "/health/%2e%2e/models",
  "/docs/..//models",
  "/%6dodels",
  "/models?/health",
  "/models#/health",
  "/models;/health",
  "http://localhost/models"
]

const ask = (headers: Record<string, string>, path = "/models") =>
  Effect.map(call({ path, headers }), ({ status }) => status)

layer(TestServer.layer({ registry: leanRegistry, env: { AUTH_TOKEN: token } }), { excludeTestServices: true })(
  "a server with a key",
  (it) => {
    it.effect("answers probes, scrapers and readers of its documents without one", () =>
      Effect.gen(function*() {
        for (const path of open) {
          for (const variant of [path, `${path}/`, `${path}?x=1`]) {
            assert.strictEqual(yield* ask({}, variant), 200, variant)
          }
        }
      }))

    it.effect("asks for one on every other route, known or not, and has one answer for all", () =>
      Effect.gen(function*() {
        const unknown = ["/nope", "/api/v1/nope", "/healthz", "/docs/nope", "/rpc/nope"]
        for (const [method, path] of [...closed, ...unknown.map((path) => ["GET", path] as const)]) {
          const answer = yield* call({ method, path })
          assert.strictEqual(answer.status, 401, path)
          assert.strictEqual(answer.headers["www-authenticate"], "Bearer", path)
          assert.include(answer.text, "a valid key is needed")
        }
      }))

    it.effect("asks for one however the path is written", () =>
      Effect.gen(function*() {
        for (const path of disguises) assert.strictEqual(yield* ask({}, path), 401, path)
      }))

    it.effect("tells no stranger which models there are", () =>
      Effect.gen(function*() {
        const bodies = [{ model: "iris", features: [[1, 2, 3, 4]] }, { model: "gpt", features: [[1, 2, 3, 4]] }]
        const [known, unknown] = yield* Effect.forEach(bodies, (body) =>
          call({ path: "/api/v1/predict", body, headers: { "x-request-id": "same" } }))
        assert.strictEqual(known!.text, unknown!.text)
        for (const path of ["/v2/models", "/v1/models"]) {
          assert.strictEqual((yield* call({ path: `${path}/iris` })).text, (yield* call({ path: `${path}/gpt` })).text)
        }
      }))

    it.effect("tells it in the shape of the surface that was asked", () =>
      Effect.gen(function*() {
        const own = (yield* call({ path: "/models" })).json()
        assert.propertyVal(own, "code", "unauthenticated")
        const oip = (yield* call({ path: "/v2/models/iris" })).json() as object
        assert.deepStrictEqual(Object.keys(oip), ["error"])
        const openAi = (yield* call({ path: "/v1/models" })).json()
        assert.nestedPropertyVal(openAi, "error.type", "authentication_error")
      }))

    it.effect("takes the key in each header, beside others too", () =>
      Effect.gen(function*() {
        const right: ReadonlyArray<Record<string, string>> = [
          { "x-token": token },
          { "x-api-key": token },
          { authorization: `Bearer ${token}` },
          { authorization: `bearer ${token}` },
          { "x-token": "another", authorization: `Bearer ${token}` },
          { "x-token": token, authorization: "Basic dXNlcjpwYXNz" }
        ]
        for (const headers of right) assert.strictEqual(yield* ask(headers), 200, JSON.stringify(headers))
      }))

    it.effect("takes nothing else for the key", () =>
      Effect.gen(function*() {
        const wrong: ReadonlyArray<Record<string, string>> = [
          { "x-token": "" },
          { "x-token": token.slice(0, -1) },
          { "x-token": `${token}x` },
          { "x-token": token.toUpperCase() },
          { "x-token": `${token}, ${token}` },
          { "x-token": `Bearer ${token}` },
          { authorization: token },
          { authorization: "Bearer" },
          { authorization: `Basic ${token}` },
          { authorization: `Basic ${Buffer.from(`user:${token}`).toString("base64")}` },
          { authorization: `Token ${token}` },
          { cookie: `x-token=${token}` }
        ]
        for (const headers of wrong) assert.strictEqual(yield* ask(headers), 401, JSON.stringify(headers))
        assert.strictEqual(yield* ask({}, `/models?token=${token}&x-token=${token}`), 401)
      }))

    for (const [name, layerOf] of Object.entries({ WebSocket: SluiceClient.layerWs, HTTP: SluiceClient.layerHttp })) {
      it.effect(`asks for one over RPC by ${name}, but for health`, () =>
        Effect.gen(function*() {
          const { port } = yield* TestServer
          const outcomes = (key: string | undefined) =>
            Effect.gen(function*() {
              const sluice = yield* SluiceClient
              const iris = { model: "iris", features: [[1, 2, 3, 4]] }
              const outcome = <A, E extends { readonly _tag: string }>(ask: Effect.Effect<A, E>) =>
                Effect.match(ask, { onSuccess: () => "Success", onFailure: (error) => error._tag })
              return [
                yield* outcome(sluice.health),
                yield* outcome(sluice.models),
                yield* outcome(sluice.predict(iris)),
                yield* outcome(sluice.predict({ ...iris, model: "gpt" }))
              ]
            }).pipe(Effect.provide(layerOf({ url: `http://localhost:${port}`, token: key })))
          const refused = ["Success", "Unauthenticated", "Unauthenticated", "Unauthenticated"]
          assert.deepStrictEqual(yield* outcomes(undefined), refused)
          assert.deepStrictEqual(yield* outcomes("wrong"), refused)
          assert.deepStrictEqual(yield* outcomes(token), ["Success", "Success", "Success", "ModelNotFound"])
        }))
    }

    it.effect("writes the key nowhere", () =>
      Effect.gen(function*() {
        const server = yield* TestServer
        yield* call({ path: "/api/v1/predict", body: "{", headers: { "x-token": token } })
        assert.include(server.output(), "access   by AUTH_TOKEN")
        assert.notInclude(server.output(), token)
        const metrics = yield* call({ path: "/metrics" })
        assert.notInclude(metrics.text, token)
      }))
  }
)
