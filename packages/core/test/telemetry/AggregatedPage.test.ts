import { assert, describe, it } from "@effect/vitest"
import { Metrics, renderTogether } from "@sluice/core/telemetry/Metrics"
import { addCounts, countsOf, type MetricFamily, type MetricsSnapshot } from "@sluice/core/telemetry/MetricsSnapshot"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"

const ids = `model="m",version="v1"`

/** The numbers of a process in which this happened. */
const processOf = (happen: (metrics: Metrics["Service"]) => void): Effect.Effect<MetricsSnapshot> =>
  Effect.gen(function*() {
    const metrics = yield* Metrics
    happen(metrics)
    return yield* Effect.orDie(metrics.snapshot)
  }).pipe(Effect.provide(Metrics.layer({ enabled: true })))

const samplesOf = (body: string): ReadonlyMap<string, number> =>
  new Map(
    body.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const space = line.lastIndexOf(" ")
      return [line.slice(0, space), Number(line.slice(space + 1))]
    })
  )

const gauge = (name: string, aggregator: MetricFamily["aggregator"], value: number): MetricFamily => ({
  name,
  help: "of a test",
  type: "gauge",
  aggregator,
  values: [{ labels: {}, value }]
})

describe("a page of several processes", () => {
  it.effect("adds up counters, histograms and queues, and shows the state that needs attention", () =>
    Effect.gen(function*() {
      const one = yield* processOf(({ refused, registerVersion }) => {
        const version = registerVersion("m", "v1")
        version.request(0.0015)
        version.request(0.2, "overloaded")
        version.queueLength(3)
        version.loaded(true)
        version.assigned()
        version.rolloutRequest("target", true)
        version.compared(true)
        refused("model_not_found")
      })
      const other = yield* processOf(({ registerVersion }) => {
        const version = registerVersion("m", "v1")
        version.request(0.0015)
        version.queueLength(4)
        version.loaded(true)
        version.circuitTransition("closed", "open")
        version.assigned()
        version.rolloutRequest("target", false)
        version.rolloutRequest("default", false)
        version.compared(false)
      })
      const { body, contentType } = yield* renderTogether([one, other])
      assert.strictEqual(contentType, "text/plain; version=0.0.4; charset=utf-8")
      const samples = samplesOf(body)
      const expected = {
        [`sluice_requests_total{${ids}}`]: 3,
        [`sluice_request_errors_total{${ids},code="overloaded"}`]: 1,
        [`sluice_requests_refused_total{code="model_not_found"}`]: 1,
        [`sluice_request_duration_seconds_count{${ids}}`]: 3,
        [`sluice_request_duration_seconds_sum{${ids}}`]: 0.203,
        [`sluice_request_duration_seconds_bucket{le="0.0025",${ids}}`]: 2,
        [`sluice_request_duration_seconds_bucket{le="+Inf",${ids}}`]: 3,
        [`sluice_queue_length{${ids}}`]: 7,
        [`sluice_model_loaded{${ids}}`]: 1,
        sluice_models_loaded: 1,
        [`sluice_circuit_state{${ids}}`]: 2,
        [`sluice_rollout_assignments_total{${ids}}`]: 2,
        [`sluice_rollout_requests_total{${ids},role="target"}`]: 2,
        [`sluice_rollout_requests_total{${ids},role="default"}`]: 1,
        [`sluice_rollout_request_errors_total{${ids},role="target"}`]: 1,
        [`sluice_rollout_compared_items_total{${ids}}`]: 2,
        [`sluice_rollout_agreed_items_total{${ids}}`]: 1
      }
      for (const [series, value] of Object.entries(expected)) {
        assert.closeTo(samples.get(series) ?? NaN, value, 1e-9, series)
      }
    }))

  it.effect("shows the slowest event loop and the oldest start, and no mean of what was not measured", () =>
    Effect.gen(function*() {
      const process = (lag: number, start: number) => [
        gauge("nodejs_eventloop_lag_p99_seconds", "average", lag),
        gauge("nodejs_eventloop_lag_mean_seconds", "average", lag),
        gauge("process_start_time_seconds", "omit", start)
      ]
      const { body } = yield* renderTogether([process(0.2, 50), process(0.1, 40), process(NaN, 60)])
      const samples = samplesOf(body)
      assert.strictEqual(samples.get("nodejs_eventloop_lag_p99_seconds"), 0.2)
      assert.closeTo(samples.get("nodejs_eventloop_lag_mean_seconds") ?? NaN, 0.15, 1e-9)
      assert.strictEqual(samples.get("process_start_time_seconds"), 40)
    }))
})

const counts = fc.dictionary(fc.constantFrom("a", "b", "c"), fc.nat(), { noNullPrototype: true }).map((
  values
): MetricsSnapshot => [
  {
    name: "requests",
    help: "",
    type: "counter",
    aggregator: "sum",
    values: Object.entries(values).map(([model, value]) => ({ labels: { model }, value }))
  }
])

const valuesOf = (snapshot: MetricsSnapshot) =>
  Object.fromEntries(snapshot.flatMap(({ values }) => values.map(({ labels, value }) => [labels["model"], value])))

describe("addCounts", () => {
  it("adds series by series, whichever comes first", () => {
    fc.assert(fc.property(counts, counts, (one, other) => {
      const [first, second] = [valuesOf(one), valuesOf(other)]
      const models = new Set([...Object.keys(first), ...Object.keys(second)])
      const expected = Object.fromEntries(
        [...models].map((model) => [model, (first[model] ?? 0) + (second[model] ?? 0)])
      )
      assert.deepStrictEqual(valuesOf(addCounts(one, other)), expected)
      assert.deepStrictEqual(valuesOf(addCounts(other, one)), expected)
    }))
  })

  it("takes the same labels in another order for the same series", () => {
    const of = (labels: Record<string, string>): MetricsSnapshot => [
      { name: "requests", help: "", type: "counter", aggregator: "sum", values: [{ labels, value: 1 }] }
    ]
    const [family] = addCounts(of({ a: "1", b: "2" }), of({ b: "2", a: "1" }))
    assert.deepStrictEqual(family?.values.map(({ value }) => value), [2])
  })
})

describe("countsOf", () => {
  it.effect("has counters and histograms, and no gauge", () =>
    Effect.gen(function*() {
      const names = countsOf(yield* processOf(({ registerVersion }) => registerVersion("m", "v1"))).map(({ name }) =>
        name
      )
      assert.includeMembers(names, ["sluice_requests_total", "sluice_request_duration_seconds"])
      assert.notIncludeMembers(names, ["sluice_queue_length"])
      assert.isFalse(names.includes("process_resident_memory_bytes"))
    }))
})
