/**
 * The metrics page of a running server: that Prometheus can read it, and that it counts what was asked.
 */
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { http } from "../harness/Http.ts"
import { samplesOf } from "../harness/Metrics.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, TestServer } from "../harness/ServerProcess.ts"

type It = Vitest.MethodsNonLive<TestServer>

const page = Effect.flatMap(TestServer, ({ port }) => http({ port, path: "/metrics" }))
const samples = Effect.map(page, ({ text }) => samplesOf(text))

/** What changed between two pages, of the names that were asked. */
const difference = Effect.fnUntraced(function*<E>(doing: Effect.Effect<unknown, E, TestServer>) {
  const before = yield* samples
  yield* doing
  const after = yield* samples
  return (name: string): number => (after.get(name) ?? NaN) - (before.get(name) ?? NaN)
})

const predict = (body: Readonly<Record<string, unknown>>) =>
  Effect.flatMap(TestServer, ({ port }) => http({ port, path: "/api/v1/predict", body }))

const iris = "model=\"iris\",version=\"v1\""

/** https://prometheus.io/docs/instrumenting/exposition_formats: a comment, or a name, labels and a number. */
const comment = /^# (HELP [a-zA-Z_:][a-zA-Z0-9_:]* .+|TYPE [a-zA-Z_:][a-zA-Z0-9_:]* (counter|gauge|histogram|summary))$/
const label = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"`
const line = new RegExp(
  String.raw`^[a-zA-Z_:][a-zA-Z0-9_:]*(\{${label}(,${label})*\})? (NaN|[+-]Inf|[-+]?\d+(\.\d+)?(e[-+]?\d+)?)$`
)

const format = (it: It) => {
  it.effect("is in Prometheus' text format, each family described once", () =>
    Effect.gen(function*() {
      const { headers, text } = yield* page
      assert.strictEqual(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      const lines = text.split("\n").filter((text) => text !== "")
      for (const text of lines) assert.match(text, text.startsWith("#") ? comment : line)
      const types = lines.filter((text) => text.startsWith("# TYPE ")).map((text) => text.split(" ")[2]!)
      assert.strictEqual(new Set(types).size, types.length)
      const families = lines.filter((text) => !text.startsWith("#")).map((text) => text.split(/[{ ]/)[0]!)
      for (const name of families) {
        assert.isTrue(types.some((type) => name === type || name.startsWith(`${type}_`)), name)
      }
    }))

  it.effect("has zeros for every version before it was asked", () =>
    Effect.gen(function*() {
      const found = yield* samples
      for (const model of ["sentiment", "iris", "embeddings"]) {
        const ids = `model="${model}",version="v1"`
        const zeros = [
          `sluice_requests_total{${ids}}`,
          `sluice_request_errors_total{${ids},code="model_failed"}`,
          `sluice_request_errors_total{${ids},code="deadline_exceeded"}`,
          `sluice_request_duration_seconds_count{${ids}}`,
          `sluice_request_duration_seconds_bucket{le="0.00025",${ids}}`,
          `sluice_batch_size_count{${ids}}`,
          `sluice_queue_delay_seconds_count{${ids}}`,
          `sluice_queue_length{${ids}}`,
          `sluice_abandoned_requests_total{${ids}}`,
          `sluice_worker_restarts_total{${ids}}`,
          `sluice_cache_items_total{${ids},result="hit"}`,
          `sluice_circuit_state{${ids}}`
        ]
        for (const name of zeros) assert.strictEqual(found.get(name), 0, name)
        assert.strictEqual(found.get(`sluice_model_loaded{${ids}}`), 1)
      }
      assert.strictEqual(found.get("sluice_models_loaded"), 3)
    }))
}

const counts = (it: It) => {
  it.effect("counts requests, items, batches and cache hits", () =>
    Effect.gen(function*() {
      const rows = [[1, 2, 3, 4], [2, 2, 3, 4], [3, 2, 3, 4]]
      const added = yield* difference(Effect.gen(function*() {
        yield* predict({ model: "iris", features: rows })
        yield* predict({ model: "iris", features: rows.slice(0, 2) })
      }))
      assert.strictEqual(added(`sluice_requests_total{${iris}}`), 2)
      assert.strictEqual(added(`sluice_request_duration_seconds_count{${iris}}`), 2)
      assert.strictEqual(added(`sluice_request_duration_seconds_bucket{le="+Inf",${iris}}`), 2)
      assert.strictEqual(added(`sluice_cache_items_total{${iris},result="miss"}`), 3)
      assert.strictEqual(added(`sluice_cache_items_total{${iris},result="hit"}`), 2)
      assert.strictEqual(added(`sluice_batch_size_sum{${iris}}`), 3)
      assert.strictEqual(added(`sluice_queue_delay_seconds_count{${iris}}`), 3)
      assert.strictEqual(added("sluice_requests_total{model=\"sentiment\",version=\"v1\"}"), 0)
    }))

  it.effect("counts errors by their code", () =>
    Effect.gen(function*() {
      const added = yield* difference(predict({ model: "iris", features: [[1]] }))
      assert.strictEqual(added(`sluice_requests_total{${iris}}`), 1)
      assert.strictEqual(added(`sluice_request_errors_total{${iris},code="invalid_input"}`), 1)
      assert.strictEqual(added(`sluice_request_errors_total{${iris},code="model_failed"}`), 0)
    }))

  it.effect("makes no label of a name that a stranger sent", () =>
    Effect.gen(function*() {
      const before = (yield* samples).get("sluice_requests_refused_total{code=\"model_not_found\"}") ?? 0
      yield* predict({ model: "stranger", texts: ["a"] })
      const { text } = yield* page
      assert.notInclude(text, "stranger")
      assert.strictEqual(samplesOf(text).get("sluice_requests_refused_total{code=\"model_not_found\"}"), before + 1)
    }))
}

layer(TestServer.layer({ registry: leanRegistry }), { excludeTestServices: true })((it) => {
  describe("/metrics", () => {
    format(it)
    counts(it)
  })

  describe("Node's own metrics", () => {
    it.effect("are there", () =>
      Effect.gen(function*() {
        const found = yield* samples
        assert.isAbove(found.get("process_resident_memory_bytes") ?? 0, 20_000_000)
        assert.isAbove(found.get("process_cpu_seconds_total") ?? 0, 0)
        assert.isDefined(found.get("nodejs_eventloop_lag_seconds"))
        assert.isDefined(found.get("nodejs_heap_size_used_bytes"))
      }))

    it.effect("are measured from the start on, not from the first scrape", () =>
      Effect.gen(function*() {
        const { port } = yield* readyServer({ registry: leanRegistry })
        yield* Effect.repeat(http({ port, path: "/health" }), { times: 100 })
        const found = samplesOf((yield* http({ port, path: "/metrics" })).text)
        // A lag that was never measured is no number.
        assert.isNotNaN(found.get("nodejs_eventloop_lag_mean_seconds"))
      }))
  })
})

describe("a server without metrics", () => {
  layer(TestServer.layer({ registry: leanRegistry, env: { ENABLE_METRICS: "false" } }), { excludeTestServices: true })(
    (it) => {
      it.effect("has no page, and says so where it says the rest", () =>
        Effect.gen(function*() {
          const server = yield* TestServer
          assert.strictEqual((yield* http({ port: server.port, path: "/metrics" })).status, 404)
          assert.include(server.output(), "metrics  off")
        }))
    }
  )
})
