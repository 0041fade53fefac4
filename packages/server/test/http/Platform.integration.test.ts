/**
 * What every route has in common, and what the platform says of itself: health, models, cache.
 */
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { brotliDecompressSync, deflateSync, gunzipSync, gzipSync } from "node:zlib"
import { call } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { TestServer } from "../harness/ServerProcess.ts"

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const text = { texts: ["I love this product!"] }
const predictPath = "/api/v1/predict"

type It = Vitest.MethodsNonLive<TestServer>

const routes = (it: It) => {
  it.effect("echoes the caller's request id, and makes one where it is none", () =>
    Effect.gen(function*() {
      const idFor = (headers: Record<string, string>) =>
        Effect.map(call({ path: "/health", headers }), (answer) => answer.headers["x-request-id"] ?? "")
      assert.strictEqual(yield* idFor({ "x-request-id": "a.b_c:d-1" }), "a.b_c:d-1")
      assert.strictEqual(yield* idFor({ "x-correlation-id": "corr" }), "corr")
      for (const bad of ["with space", "x".repeat(129), "semi;colon", ""]) {
        assert.match(yield* idFor({ "x-request-id": bad }), uuid)
      }
      assert.match(yield* idFor({}), uuid)
    }))

  it.effect("has the request id in errors, and in results that name none of their own", () =>
    Effect.gen(function*() {
      const headers = { "x-request-id": "mine" }
      const missing = yield* call({ path: "/nope", headers })
      assert.strictEqual(missing.headers["x-request-id"], "mine")
      assert.propertyVal(missing.json(), "request_id", "mine")
      assert.propertyVal((yield* call({ path: predictPath, body: text, headers })).json(), "request_id", "mine")
    }))

  it.effect("says what its stages took", () =>
    Effect.gen(function*() {
      const predicted = yield* call({ path: predictPath, body: text })
      const duration = String.raw`;dur=\d+\.\d\d`
      const stages = ["queue", "encode", "compute", "cache", "total"].map((stage) => stage + duration)
      assert.match(predicted.headers["server-timing"] ?? "", new RegExp(`^${stages.join(", ")}$`))
      const health = yield* call({ path: "/health" })
      assert.match(health.headers["server-timing"] ?? "", new RegExp(`^total${duration}$`))
    }))

  it.effect("answers problems with problem details", () =>
    Effect.gen(function*() {
      const answer = yield* call({ path: "/api/v1/nope?query=1", headers: { "x-request-id": "id-1" } })
      assert.strictEqual(answer.status, 404)
      assert.strictEqual(answer.headers["content-type"], "application/problem+json")
      assert.deepStrictEqual(answer.json(), {
        type: "urn:sluice:error:route_not_found",
        title: "No such route",
        status: 404,
        detail: "nothing is served at this path: /docs lists the routes",
        instance: "/api/v1/nope",
        code: "route_not_found",
        request_id: "id-1"
      })
    }))

  it.effect("names the methods of a path that is asked by another", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [method: string, path: string, allow: string]> = [
        ["GET", predictPath, "POST"],
        ["OPTIONS", predictPath, "POST"],
        ["POST", "/models", "GET, HEAD"],
        ["GET", "/api/v1/inference/cache/clear", "DELETE"],
        ["DELETE", "/metrics", "GET, HEAD"],
        ["POST", "/docs", "GET, HEAD"],
        ["POST", "/openapi.json", "GET, HEAD"],
        ["GET", "/rpc", "POST"],
        ["GET", "/v2/models/iris/infer", "POST"],
        ["PUT", "/v2/models/iris/versions/v1", "GET, HEAD"],
        ["GET", "/v1/embeddings", "POST"]
      ]
      for (const [method, path, allow] of cases) {
        const answer = yield* call({ method, path })
        assert.strictEqual(answer.status, 405, path)
        assert.strictEqual(answer.headers["allow"], allow, path)
      }
    }))

  it.effect("is not found where a path leads nowhere, even by the right method", () =>
    Effect.gen(function*() {
      for (const path of ["/", "/api/v1", "/v1", "/v2/models", "/v2/models/%zz", "/predict"]) {
        assert.strictEqual((yield* call({ path })).status, 404, path)
      }
    }))

  it.effect("answers HEAD with what GET has but the body, and paths with a slash at the end", () =>
    Effect.gen(function*() {
      for (const path of ["/health", "/models", "/v2/models/iris", "/v1/models", "/metrics", "/docs"]) {
        const get = yield* call({ path, headers: { "accept-encoding": "identity" } })
        const head = yield* call({ method: "HEAD", path, headers: { "accept-encoding": "identity" } })
        assert.deepStrictEqual([head.status, head.bytes.length], [200, 0], path)
        assert.strictEqual(head.headers["content-type"], get.headers["content-type"], path)
        assert.strictEqual((yield* call({ path: `${path}/` })).status, 200, path)
      }
    }))

  it.effect("takes a body that is compressed", () =>
    Effect.gen(function*() {
      const json = JSON.stringify(text)
      const codings = {
        gzip: gzipSync(json),
        deflate: deflateSync(json),
        identity: json,
        "deflate, gzip": gzipSync(deflateSync(json))
      }
      for (const [coding, body] of Object.entries(codings)) {
        const answer = yield* call({ path: predictPath, body, headers: { "content-encoding": coding } })
        assert.strictEqual(answer.status, 200, coding)
      }
    }))

  it.effect("takes no other coding, and says which it takes, in each surface's own shape", () =>
    Effect.gen(function*() {
      for (const path of [predictPath, "/v2/models/iris/infer", "/v1/embeddings"]) {
        const answer = yield* call({
          path,
          body: "{}",
          headers: { "content-encoding": "br", "x-request-id": "coded" }
        })
        assert.strictEqual(answer.status, 415, path)
        assert.strictEqual(answer.headers["x-request-id"], "coded")
        assert.include(answer.text, "gzip, deflate")
      }
    }))

  it.effect("takes at most two codings that differ, however many are named", () =>
    Effect.gen(function*() {
      for (
        const path of [predictPath, "/v2/models/iris/infer", "/v1/embeddings", "/rpc", "/api/v1/registry", "/nope"]
      ) {
        for (const coding of ["gzip, gzip", "gzip, deflate, identity", Array(3_000).fill("gzip").join(), "gzip,"]) {
          const answer = yield* call({ path, body: "", headers: { "content-encoding": coding } })
          assert.strictEqual(answer.status, 415, `${path} ${coding.slice(0, 30)}`)
        }
      }
    }))

  it.effect("compresses long answers for those who can read them", () =>
    Effect.gen(function*() {
      const ask = (coding: string) => call({ path: "/openapi.json", headers: { "accept-encoding": coding } })
      const plain = yield* ask("identity")
      assert.notProperty(plain.headers, "content-encoding")
      const gzip = yield* ask("gzip")
      assert.deepStrictEqual([gzip.headers["content-encoding"], gzip.headers["vary"]], ["gzip", "Accept-Encoding"])
      assert.strictEqual(gunzipSync(gzip.bytes).toString(), plain.text)
      const brotli = yield* ask("gzip;q=0.5, br")
      assert.strictEqual(brotli.headers["content-encoding"], "br")
      assert.strictEqual(brotliDecompressSync(brotli.bytes).toString(), plain.text)
    }))

  it.effect("keeps a connection for the next request", () =>
    Effect.gen(function*() {
      const answer = yield* call({ path: "/livez", headers: { connection: "keep-alive" } })
      assert.strictEqual(answer.headers["connection"], "keep-alive")
    }))
}

const model = (name: string, description: string, plugin: string) => ({
  name,
  version: "v1",
  model_id: `${name}@v1`,
  status: "active",
  state: "ready",
  default: true,
  traffic_percent: 100,
  description,
  precision: "fp32",
  device: "cpu",
  plugin
})

const platform = (it: It) => {
  it.effect("says that it lives, is healthy and is ready", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* call({ path: "/livez" })).json(), { status: "live" })
      assert.deepStrictEqual((yield* call({ path: "/health" })).json(), {
        status: "active",
        active_models: ["sentiment@v1", "iris@v1", "embeddings@v1"]
      })
      for (const path of ["/readyz", "/readiness"]) {
        const answer = yield* call({ path })
        assert.strictEqual(answer.status, 200)
        assert.deepStrictEqual(answer.json(), {
          ready: true,
          parts: ["sentiment@v1", "iris@v1", "embeddings@v1"].map((name) => ({ name, status: "ready" }))
        })
      }
      assert.deepStrictEqual((yield* call({ path: "/api/v1/inference/health" })).json(), {
        status: "active",
        models_ready: 3
      })
    }))

  it.effect("lists its models, under the prefix and at the root", () =>
    Effect.gen(function*() {
      for (const path of ["/models", "/api/v1/models"]) {
        const body = (yield* call({ path })).json() as {
          readonly total: number
          readonly models: ReadonlyArray<Readonly<Record<string, unknown>>>
        }
        assert.strictEqual(body.total, 3)
        const expected = [
          model("sentiment", "", "sklearn-onnx"),
          model("iris", "Three kinds of iris", "sklearn-onnx"),
          model("embeddings", "", "text")
        ]
        assert.deepStrictEqual(
          body.models.map((listed, i) =>
            Object.fromEntries(Object.keys(expected[i]!).map((key) => [key, listed[key]]))
          ),
          expected
        )
      }
    }))

  it.effect("warms up models by name and by id", () =>
    Effect.gen(function*() {
      const warmup = (models: ReadonlyArray<string>) => call({ path: "/api/v1/inference/warmup", body: { models } })
      const answer = yield* warmup(["iris", "sentiment@v1"])
      const body = answer.json() as { readonly models: ReadonlyArray<Readonly<Record<string, unknown>>> }
      assert.deepStrictEqual(
        body.models.map(({ latency_ms, ...rest }) => [typeof latency_ms, rest]),
        [["number", { model_id: "iris@v1", state: "ready" }], ["number", { model_id: "sentiment@v1", state: "ready" }]]
      )
      assert.deepStrictEqual((yield* warmup([])).json(), { models: [] })
      assert.strictEqual((yield* warmup(["iris@v9"])).status, 404)
      assert.strictEqual((yield* warmup(["iris@v1@v1"])).status, 404)
    }))

  it.effect("counts which models are in memory", () =>
    Effect.gen(function*() {
      const stats = (yield* call({ path: "/api/v1/inference/cache/stats" })).json() as {
        readonly loaded: number
        readonly capacity: number | null
        readonly versions: ReadonlyArray<{ readonly model_id: string; readonly state: string }>
      }
      assert.deepStrictEqual(
        stats.versions.map(({ model_id, state }) => [model_id, state]),
        ["sentiment@v1", "iris@v1", "embeddings@v1"].map((id) => [id, "ready"])
      )
      assert.deepStrictEqual([stats.loaded, stats.capacity], [3, null])
    }))

  it.effect("counts what its cache holds, and clears it", () =>
    Effect.gen(function*() {
      interface Stats {
        readonly entries: number
        readonly predictions: Readonly<Record<"hits" | "misses" | "stale" | "entries" | "bytes", number>> & {
          readonly tiers: ReadonlyArray<Readonly<Record<string, unknown>>>
          readonly models: ReadonlyArray<Readonly<Record<"model" | "hits" | "misses", unknown>>>
        }
      }
      const all = Effect.map(call({ path: "/api/v1/inference/cache/stats" }), (answer) => answer.json() as Stats)
      const stats = Effect.map(all, ({ predictions }) => predictions)
      const clear = call({ method: "DELETE", path: "/api/v1/inference/cache/clear" })
      yield* clear
      const before = yield* stats
      assert.strictEqual((yield* all).entries, 0)
      assert.deepStrictEqual(Object.keys(before), ["hits", "misses", "stale", "entries", "bytes", "tiers", "models"])
      assert.deepStrictEqual([before.entries, before.bytes], [0, 0])
      yield* call({ path: "/api/v1/predict", body: { texts: ["one", "two"] } })
      yield* call({ path: "/api/v1/predict", body: { texts: ["one"] } })
      const after = yield* stats
      assert.deepStrictEqual(
        [after.hits - before.hits, after.misses - before.misses, after.entries, after.bytes > 0],
        [1, 2, 2, true]
      )
      assert.deepStrictEqual(after.tiers, [
        { tier: "memory", entries: 2, bytes: after.bytes, evictions: 0, errors: 0 }
      ])
      assert.isTrue(after.models.some(({ model }) => model === "sentiment"))
      const clearOf = (model: string) =>
        call({ method: "DELETE", path: `/api/v1/inference/cache/clear?model=${model}` })
      assert.deepStrictEqual((yield* clearOf("iris")).json(), { cleared: 0 })
      const statuses = Effect.forEach(["", "nosuch", "*", "%7C", "sentiment:v1"], clearOf)
      assert.deepStrictEqual((yield* statuses).map(({ status }) => status), [400, 404, 404, 404, 404])
      assert.deepStrictEqual((yield* clearOf("sentiment")).json(), { cleared: 2 })
      assert.deepStrictEqual((yield* clear).json(), { cleared: 0 })
    }))

  it.effect("says how old an answer is, and computes what is older than the caller wants", () =>
    Effect.gen(function*() {
      const ask = (cacheControl: string) =>
        call({
          path: "/api/v1/predict",
          body: { texts: ["of some age"] },
          headers: { "cache-control": cacheControl }
        })
      assert.strictEqual((yield* ask("no-cache")).headers["x-cache"], "miss")
      const kept = yield* ask("max-age=60")
      assert.deepStrictEqual([kept.headers["x-cache"], kept.headers["age"]], ["hit", "0"])
      assert.strictEqual((yield* ask("no-store")).headers["x-cache"], "bypass")
    }))
}

layer(TestServer.layer({ registry: leanRegistry }), { excludeTestServices: true })((it) => {
  describe("every route", () => routes(it))
  describe("the platform", () => platform(it))
})
