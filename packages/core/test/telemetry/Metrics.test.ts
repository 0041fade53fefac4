import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Metrics } from "../../src/telemetry/Metrics.ts"

interface Page {
  readonly types: ReadonlyMap<string, string>
  readonly samples: ReadonlyMap<string, number>
}

/** Reads the text format strictly: a line that is neither comment nor sample fails. Labels are put in order. */
const parse = (body: string): Page => {
  const types = new Map<string, string>()
  const samples = new Map<string, number>()
  for (const line of body.split("\n")) {
    if (line === "" || line.startsWith("# HELP ")) continue
    const [, typed, type] = /^# TYPE (\w+) (\w+)$/.exec(line) ?? []
    if (typed !== undefined && type !== undefined) {
      assert.isFalse(types.has(typed), `${typed} is shown twice`)
      types.set(typed, type)
      continue
    }
    const [, name, labels = "", value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    assert.isDefined(name, `no sample: ${line}`)
    const sorted = labels.match(/\w+="(?:[^"\\]|\\.)*"/g)?.sort() ?? []
    const series = sorted.length === 0 ? String(name) : `${name}{${sorted.join(",")}}`
    assert.isFalse(samples.has(series), `${series} is shown twice`)
    samples.set(series, Number(value))
  }
  return { types, samples }
}

const page = Effect.map(Effect.flatMap(Metrics, ({ render }) => render), ({ body }) => parse(body))
const ids = `model="m",version="v1"`
const enabled = Effect.provide(Metrics.layer({ enabled: true }))
const ownSamples = ({ samples }: Page) =>
  Object.fromEntries([...samples].filter(([name, value]) => name.startsWith("sluice_") && value !== 0))

describe("Metrics", () => {
  it.effect("shows every series of a version with zeros as soon as it is registered", () =>
    Effect.gen(function*() {
      const { registerVersion } = yield* Metrics
      const before = yield* page
      assert.isFalse([...before.samples.keys()].some((series) => series.includes(`model="m"`)))
      registerVersion("m", "v1")
      const { samples } = yield* page
      const expected = [
        `sluice_requests_total{${ids}}`,
        `sluice_request_errors_total{code="overloaded",${ids}}`,
        `sluice_request_errors_total{code="model_failed",${ids}}`,
        `sluice_request_duration_seconds_bucket{le="0.00025",${ids}}`,
        `sluice_request_duration_seconds_bucket{le="+Inf",${ids}}`,
        `sluice_request_duration_seconds_sum{${ids}}`,
        `sluice_request_duration_seconds_count{${ids}}`,
        ...["cache", "encode", "queue", "compute", "decode"].map((stage) =>
          `sluice_stage_duration_seconds_count{${ids.split(",")[0]},stage="${stage}",version="v1"}`
        ),
        `sluice_batch_size_count{${ids}}`,
        `sluice_queue_delay_seconds_count{${ids}}`,
        `sluice_queue_length{${ids}}`,
        `sluice_abandoned_requests_total{${ids}}`,
        `sluice_model_loaded{${ids}}`,
        `sluice_cache_items_total{model="m",result="hit",version="v1"}`,
        `sluice_cache_items_total{model="m",result="miss",version="v1"}`,
        `sluice_circuit_state{${ids}}`,
        `sluice_circuit_transitions_total{from="closed",model="m",to="open",version="v1"}`,
        `sluice_worker_restarts_total{${ids}}`,
        `sluice_rollout_assignments_total{${ids}}`,
        `sluice_rollout_compared_items_total{${ids}}`,
        `sluice_rollout_agreed_items_total{${ids}}`,
        `sluice_rollout_dropped_copies_total{${ids}}`
      ]
      for (const series of expected) assert.strictEqual(samples.get(series), 0, series)
      assert.strictEqual(samples.get("sluice_models_loaded"), 0)
    }).pipe(enabled))

  it.effect("shows what was counted, and nothing else changed", () =>
    Effect.gen(function*() {
      const metrics = yield* Metrics
      const version = metrics.registerVersion("m", "v1")
      metrics.registerVersion("m", "v2")
      version.request(0.0015)
      version.request(0.2, "overloaded")
      version.abandoned()
      version.queueLength(7)
      version.queueLength(3)
      version.loaded(true)
      version.cacheItems(2, 5)
      version.circuitTransition("closed", "open")
      metrics.workerRestarted("m", "v1")
      metrics.cacheStoreError("getMany")
      metrics.refused("model_not_found")
      assert.deepStrictEqual(ownSamples(yield* page), {
        [`sluice_requests_total{${ids}}`]: 2,
        [`sluice_request_errors_total{code="overloaded",${ids}}`]: 1,
        ...Object.fromEntries(
          ["0.0025", "0.005", "0.01", "0.025", "0.05", "0.1"].map((le) => [
            `sluice_request_duration_seconds_bucket{le="${le}",${ids}}`,
            1
          ])
        ),
        ...Object.fromEntries(
          ["0.25", "0.5", "1", "2.5", "5", "10", "+Inf"].map((le) => [
            `sluice_request_duration_seconds_bucket{le="${le}",${ids}}`,
            2
          ])
        ),
        [`sluice_request_duration_seconds_sum{${ids}}`]: 0.2015,
        [`sluice_request_duration_seconds_count{${ids}}`]: 2,
        [`sluice_abandoned_requests_total{${ids}}`]: 1,
        [`sluice_queue_length{${ids}}`]: 3,
        [`sluice_model_loaded{${ids}}`]: 1,
        "sluice_models_loaded": 1,
        [`sluice_cache_items_total{model="m",result="hit",version="v1"}`]: 2,
        [`sluice_cache_items_total{model="m",result="miss",version="v1"}`]: 5,
        [`sluice_circuit_state{${ids}}`]: 2,
        [`sluice_circuit_transitions_total{from="closed",model="m",to="open",version="v1"}`]: 1,
        [`sluice_worker_restarts_total{${ids}}`]: 1,
        [`sluice_cache_store_errors_total{operation="getMany"}`]: 1,
        [`sluice_requests_refused_total{code="model_not_found"}`]: 1
      })
    }).pipe(enabled))

  it.effect("shows what a version did in each role of a rollout, and no role that it never had", () =>
    Effect.gen(function*() {
      const { registerVersion } = yield* Metrics
      const version = registerVersion("m", "v1")
      version.assigned()
      version.rolloutRequest("shadow", false)
      version.rolloutRequest("target", false)
      version.rolloutRequest("target", true)
      version.compared(true)
      version.compared(false)
      version.copyDropped()
      const found = yield* page
      assert.deepStrictEqual(ownSamples(found), {
        [`sluice_rollout_assignments_total{${ids}}`]: 1,
        [`sluice_rollout_requests_total{model="m",role="shadow",version="v1"}`]: 1,
        [`sluice_rollout_requests_total{model="m",role="target",version="v1"}`]: 2,
        [`sluice_rollout_request_errors_total{model="m",role="target",version="v1"}`]: 1,
        [`sluice_rollout_compared_items_total{${ids}}`]: 2,
        [`sluice_rollout_agreed_items_total{${ids}}`]: 1,
        [`sluice_rollout_dropped_copies_total{${ids}}`]: 1
      })
      const errorsOf = (role: string) =>
        found.samples.get(`sluice_rollout_request_errors_total{model="m",role="${role}",version="v1"}`)
      assert.deepStrictEqual([errorsOf("shadow"), errorsOf("default")], [0, undefined])
    }).pipe(enabled))

  it.effect("puts batches, delays and stages into their own histograms", () =>
    Effect.gen(function*() {
      const { registerVersion } = yield* Metrics
      const version = registerVersion("m", "v1")
      version.batch(3)
      version.batch(40)
      version.queueDelay(0.004)
      version.stage("compute", 0.03)
      const { samples, types } = yield* page
      assert.strictEqual(types.get("sluice_batch_size"), "histogram")
      assert.deepStrictEqual(
        ["2", "4", "32", "64", "+Inf"].map((le) => samples.get(`sluice_batch_size_bucket{le="${le}",${ids}}`)),
        [0, 1, 1, 2, 2]
      )
      assert.strictEqual(samples.get(`sluice_batch_size_sum{${ids}}`), 43)
      assert.strictEqual(samples.get(`sluice_queue_delay_seconds_sum{${ids}}`), 0.004)
      const stage = (name: string) =>
        samples.get(`sluice_stage_duration_seconds_sum{model="m",stage="${name}",version="v1"}`)
      assert.deepStrictEqual([stage("compute"), stage("queue")], [0.03, 0])
    }).pipe(enabled))

  it.effect("goes on counting where a version is registered again", () =>
    Effect.gen(function*() {
      const { recorder, registerVersion } = yield* Metrics
      registerVersion("m", "v1").request(0.1)
      registerVersion("m", "v1").request(0.1)
      recorder("m", "v1").request(0.1)
      assert.strictEqual((yield* page).samples.get(`sluice_requests_total{${ids}}`), 3)
    }).pipe(enabled))

  it.effect("shows no more of a version that is unregistered, whatever is still said of it", () =>
    Effect.gen(function*() {
      const { recorder, registerVersion, unregisterVersion } = yield* Metrics
      const version = registerVersion("m", "v1")
      registerVersion("m", "v2")
      unregisterVersion("m", "v1")
      version.request(0.1)
      recorder("m", "v1").request(0.1)
      const series = [...(yield* page).samples.keys()]
      assert.isFalse(series.some((name) => name.includes(`version="v1"`)))
      assert.isTrue(series.some((name) => name.includes(`version="v2"`)))
    }).pipe(enabled))

  it.effect("escapes what a label may not hold as it is", () =>
    Effect.gen(function*() {
      const { registerVersion } = yield* Metrics
      registerVersion(`a"b\\c\nd`, "v1").loaded(true)
      const { samples } = yield* page
      assert.strictEqual(samples.get(String.raw`sluice_model_loaded{model="a\"b\\c\nd",version="v1"}`), 1)
    }).pipe(enabled))

  it.effect("shows Node's own metrics in the same page, in Prometheus' text format", () =>
    Effect.gen(function*() {
      const { render } = yield* Metrics
      const { body, contentType } = yield* render
      assert.strictEqual(contentType, "text/plain; version=0.0.4; charset=utf-8")
      const { samples, types } = parse(body)
      assert.isAbove(samples.get("process_resident_memory_bytes") ?? 0, 0)
      assert.isDefined(types.get("nodejs_eventloop_lag_p99_seconds"))
      assert.isTrue(body.endsWith("\n"))
    }).pipe(enabled))

  it.effect("keeps the counts of two servers in one process apart", () =>
    Effect.gen(function*() {
      const count = Effect.gen(function*() {
        const { registerVersion } = yield* Metrics
        registerVersion("m", "v1").request(0.1)
        return (yield* page).samples.get(`sluice_requests_total{${ids}}`)
      })
      assert.deepStrictEqual([yield* count.pipe(enabled), yield* count.pipe(enabled)], [1, 1])
    }))

  it.effect("switched off, takes every update and shows an empty page", () =>
    Effect.gen(function*() {
      const metrics = yield* Metrics
      metrics.registerVersion("m", "v1").request(0.1)
      assert.isFalse(metrics.enabled)
      assert.strictEqual((yield* metrics.render).body, "")
    }).pipe(Effect.provide(Metrics.layer({ enabled: false }))))
})
