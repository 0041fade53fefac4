/**
 * Web pages that call the server through somebody's browser: refused where there is no key, unless they are listed.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { call } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { TestServer } from "../harness/ServerProcess.ts"

const listed = "https://app.example.com"
const another = "https://evil.example"
const iris = JSON.stringify({ model: "iris", features: [[5.1, 3.5, 1.4, 0.2]], use_cache: false })

const options = { registry: leanRegistry, env: { CORS_ORIGINS: `${listed}, https://other.example.com` } }

layer(TestServer.layer(options), { excludeTestServices: true })("a server without a key", (it) => {
  const from = (origin: string, path: string, more: Readonly<Record<string, string>> = {}) =>
    call({ path, body: iris, headers: { origin, ...more } })

  it.effect("does nothing for a page that is not listed, whose browser would not ask before", () =>
    Effect.gen(function*() {
      for (const path of ["/api/v1/predict", "/v2/repository/models/iris/unload", "/rpc", "/api/v1/inference/warmup"]) {
        for (const origin of [another, "null", `${listed}.evil.example`, "http://app.example.com", "file://"]) {
          const answer = yield* from(origin, path)
          assert.strictEqual(answer.status, 403, path)
          assert.notProperty(answer.headers, "access-control-allow-origin")
        }
      }
      const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" }
      const answer = yield* call({
        path: "/rpc/ws",
        headers: { ...upgrade, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", origin: another }
      })
      assert.strictEqual(answer.status, 403)
    }))

  it.effect("answers a page that is listed, and lets its browser know", () =>
    Effect.gen(function*() {
      const answer = yield* from(listed, "/api/v1/predict")
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(answer.headers["access-control-allow-origin"], listed)
      assert.include(answer.headers["vary"] ?? "", "Origin")
      assert.notProperty(answer.headers, "access-control-allow-credentials")
      const headers = {
        origin: listed,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-token"
      }
      const preflight = yield* call({ path: "/api/v1/predict", method: "OPTIONS", headers })
      assert.strictEqual(preflight.status, 204)
      assert.strictEqual(preflight.headers["access-control-allow-origin"], listed)
      assert.include(preflight.headers["access-control-allow-headers"] ?? "", "x-token")
      const refused = yield* call({
        path: "/api/v1/predict",
        method: "OPTIONS",
        headers: { ...headers, origin: another }
      })
      assert.notProperty(refused.headers, "access-control-allow-origin")
    }))

  it.effect("answers its own pages and programs", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      const own = yield* from(`http://localhost:${port}`, "/api/v1/predict", { host: `localhost:${port}` })
      assert.strictEqual(own.status, 200, own.text)
      assert.strictEqual((yield* call({ path: "/api/v1/predict", body: iris })).status, 200)
      const read = yield* call({ path: "/models", headers: { origin: another } })
      assert.strictEqual(read.status, 200)
      assert.notProperty(read.headers, "access-control-allow-origin")
    }))
})
