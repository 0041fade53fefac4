/**
 * What a server does that other machines can reach and that was given no key, and what can be closed or moved away.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { http } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, type RunningServer, temporaryDirectory } from "../harness/ServerProcess.ts"

const serve = (env: Readonly<Record<string, string>>) =>
  readyServer({ registry: leanRegistry, env: { DRAIN_DELAY: "0", ...env } })

const status = (port: number, path: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.map(http({ port, path, headers }), (answer) => answer.status)

const madeKey = /slc_[A-Za-z0-9_-]{43}/g

const keyEntry = (id: string, role: string): string =>
  `  - { id: ${id}, sha256: "${createHash("sha256").update(id).digest("hex")}", roles: [${role}] }\n`

/** The one that was printed, once. */
const keyOf = (server: RunningServer): string => {
  const shown = server.output().match(madeKey) ?? []
  assert.lengthOf(shown, 1, server.output())
  return shown[0]!
}

describe("a server that other machines reach, without a key", () => {
  it.live("makes one, prints it once and asks for it", () =>
    Effect.gen(function*() {
      const server = yield* serve({ HOST: "0.0.0.0", LOG_LEVEL: "trace" })
      const key = keyOf(server)
      assert.include(server.output(), `  access   by a key made for this run: ${key}\n`)
      assert.strictEqual(yield* status(server.port, "/models"), 401)
      assert.strictEqual(yield* status(server.port, "/models", { "x-token": `${key}x` }), 401)
      assert.strictEqual(yield* status(server.port, "/models", { authorization: `Bearer ${key}` }), 200)
      server.kill("SIGTERM")
      yield* server.ended
      assert.strictEqual(keyOf(server), key)
    }), 30_000)

  it.live("has one key for all processes, also for those that replace others", () =>
    Effect.gen(function*() {
      const server = yield* serve({ HOST: "::", WORKERS: "2" })
      const key = keyOf(server)
      for (let asked = 0; asked < 4; asked++) {
        assert.strictEqual(yield* status(server.port, "/models"), 401)
        assert.strictEqual(yield* status(server.port, "/models", { "x-token": key }), 200)
      }
    }), 60_000)

  it.live("stays open where that was said, and warns", () =>
    Effect.gen(function*() {
      const server = yield* serve({ HOST: "0.0.0.0", AUTH_OPEN: "true" })
      assert.include(server.output(), "HOST is 0.0.0.0 and AUTH_OPEN is true")
      assert.notMatch(server.output(), madeKey)
      assert.strictEqual(yield* status(server.port, "/models"), 200)
    }), 30_000)
})

const metricsPortOf = (server: RunningServer): number =>
  Number(/^ {2}metrics {2}http:\/\/localhost:(\d+)\/metrics$/m.exec(server.output())?.[1])

describe("a server with a port for metrics", () => {
  it.live("has its page and the probes there, without a key, and the page there alone", () =>
    Effect.gen(function*() {
      const server = yield* serve({ METRICS_PORT: "0", AUTH_TOKEN: "the-key" })
      const port = metricsPortOf(server)
      assert.notStrictEqual(port, server.port)
      const page = yield* http({ port, path: "/metrics" })
      assert.strictEqual(page.status, 200)
      assert.include(page.text, "sluice_models_loaded 3")
      for (const path of ["/health", "/livez", "/readyz", "/readiness"]) {
        assert.strictEqual((yield* http({ port, path })).text, (yield* http({ port: server.port, path })).text, path)
      }
      for (const path of ["/models", "/docs", "/v2", "/api/v1/predict"]) {
        assert.strictEqual(yield* status(port, path, { "x-token": "the-key" }), 404, path)
      }
      assert.strictEqual(yield* status(server.port, "/metrics"), 404)
      assert.strictEqual(yield* status(server.port, "/readyz"), 200)
    }), 30_000)

  it.live("answers there for all processes", () =>
    Effect.gen(function*() {
      const server = yield* serve({ METRICS_PORT: "0", WORKERS: "2" })
      const port = metricsPortOf(server)
      const iris = { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]], use_cache: false }
      for (let asked = 0; asked < 4; asked++) yield* http({ port: server.port, path: "/api/v1/predict", body: iris })
      const { text } = yield* http({ port, path: "/metrics" })
      assert.include(text, "sluice_processes_reporting 2")
      assert.include(text, "sluice_requests_total{model=\"iris\",version=\"v1\"} 4")
      assert.strictEqual(yield* status(server.port, "/metrics"), 404)
    }), 60_000)
})

describe("a server that shows strangers nothing", () => {
  it.live("asks for a key at its metrics, and has no documents", () =>
    Effect.gen(function*() {
      const { port } = yield* serve({ AUTH_TOKEN: "the-key", AUTH_OPEN_METRICS: "false", ENABLE_DOCS: "false" })
      assert.strictEqual(yield* status(port, "/metrics"), 401)
      assert.strictEqual(yield* status(port, "/metrics/"), 401)
      assert.strictEqual(yield* status(port, "/metrics", { "x-api-key": "the-key" }), 200)
      for (const path of ["/docs", "/redoc", "/redoc.standalone.js", "/openapi.json"]) {
        assert.strictEqual(yield* status(port, path), 404, path)
      }
      assert.strictEqual(yield* status(port, "/livez"), 200)
    }), 30_000)

  it.live("keeps its metrics from keys without the role, however the path is written", () =>
    Effect.gen(function*() {
      const file = join(yield* temporaryDirectory, "api_keys.yaml")
      writeFileSync(file, `keys:\n${keyEntry("predictor", "predict")}${keyEntry("reader", "read")}`)
      const { port } = yield* serve({ API_KEYS_FILE: file, AUTH_OPEN_METRICS: "false" })
      const spellings = ["/metrics", "//metrics", "/METRICS", "/%6detrics", "/metrics;a", "/metrics//", "/metrics?a"]
      for (const path of spellings) {
        const [none, predictor, reader] = yield* Effect.forEach(
          [{}, { "x-api-key": "predictor" }, { "x-api-key": "reader" }],
          (headers) => http({ port, path, headers })
        )
        assert.strictEqual(none?.status, 401, path)
        assert.notInclude(predictor?.text, "sluice_", path)
        assert.include([403, 404], predictor?.status, path)
        assert.include([200, 404], reader?.status, path)
      }
      assert.strictEqual(yield* status(port, "/metrics", { "x-api-key": "predictor" }), 403)
      assert.strictEqual(yield* status(port, "/metrics", { "x-api-key": "reader" }), 200)
    }), 30_000)

  it.live("asks for an upgrade where a WebSocket is, however the path is written", () =>
    Effect.gen(function*() {
      const server = yield* serve({ AUTH_TOKEN: "the-key" })
      for (const path of ["/rpc/ws", "//rpc/ws", "/RPC/WS", "/rpc/%77s", "/rpc/ws;a", "/rpc//ws"]) {
        assert.include([400, 404], yield* status(server.port, path, { "x-token": "the-key" }), path)
      }
      assert.notInclude(server.output(), "fault of the server")
    }), 30_000)
})
