/**
 * The metrics page in Prometheus' text format, with Node's process metrics. Loaded with the first page, never before.
 */
import { collectDefaultMetrics, Registry } from "prom-client"
import { CACHE_STORE_STATES } from "../cache/CacheStoreGuard.ts"
import { addCounter, addGauge, CountedHistogram, type Labels, type Sample, type Series } from "./CountedMetrics.ts"
import type { Distribution } from "./Distribution.ts"
import type { Meters, MetricsPage } from "./MetricsPage.ts"
import type { MetricsSnapshot } from "./MetricsSnapshot.ts"
import { addRateLimitSeries } from "./RateLimitSeries.ts"
import { addRolloutSeries } from "./RolloutSeries.ts"
import { CIRCUIT_STATES, STAGES, type VersionMeters } from "./VersionMeters.ts"

/** The library's own type has a number where it gives a name. */
const snapshotOf = (metrics: Awaited<ReturnType<Registry["getMetricsAsJSON"]>>): MetricsSnapshot =>
  metrics.map(({ aggregator, help, name, type, values }) => ({ name, help, type: String(type), aggregator, values }))

const idsOf = ({ model, version }: VersionMeters): Labels => ({ model, version })

export interface PrometheusPage {
  readonly render: () => Promise<MetricsPage>
  readonly snapshot: () => Promise<MetricsSnapshot>
}

/** The page's text of what a registry has. */
export const renderPage = async (registry: Registry): Promise<MetricsPage> => {
  const page = await registry.metrics()
  // The library writes "Nan", which not every reader of the format takes for a number.
  return { contentType: registry.contentType, body: page.replaceAll(" Nan\n", " NaN\n") }
}

/** Starts the process metrics, and gives what renders them and these meters, as a page or as data. */
export const prometheusPage = (meters: Meters): PrometheusPage => {
  const registry = new Registry()
  const ids = ["model", "version"]
  const each = (value: (of: VersionMeters) => number) => () =>
    [...meters.versions()].map((of): Sample => [idsOf(of), value(of)])
  const eachOf = (
    label: string,
    values: (of: VersionMeters) => Iterable<readonly [string, number]>
  ) =>
  () =>
    [...meters.versions()].flatMap((of) =>
      Array.from(values(of), ([key, value]): Sample => [{ ...idsOf(of), [label]: key }, value])
    )
  const distributions = (distribution: (of: VersionMeters) => Distribution) => () =>
    [...meters.versions()].map((of): Series => [idsOf(of), distribution(of)])
  const byKey = (label: string, counts: ReadonlyMap<string, number>) => () =>
    Array.from(counts, ([key, value]): Sample => [{ [label]: key }, value])

  collectDefaultMetrics({ register: registry })
  addCounter(
    registry,
    { name: "sluice_requests_total", help: "Requests answered, with a result or an error.", labels: ids },
    each((of) => of.requests)
  )
  addCounter(
    registry,
    {
      name: "sluice_request_errors_total",
      help: "Requests answered with an error, by its code.",
      labels: [...ids, "code"]
    },
    eachOf("code", (of) => of.errors)
  )
  addCounter(
    registry,
    {
      name: "sluice_requests_refused_total",
      help: "Requests refused before a model version was chosen, by the error's code.",
      labels: ["code"]
    },
    byKey("code", meters.refusals)
  )
  new CountedHistogram(
    registry,
    {
      name: "sluice_request_duration_seconds",
      help: "From a request's arrival in the pipeline to its answer.",
      labels: ids
    },
    distributions((of) => of.duration)
  )
  new CountedHistogram(
    registry,
    { name: "sluice_stage_duration_seconds", help: "Time in one stage of the pipeline.", labels: [...ids, "stage"] },
    () =>
      [...meters.versions()].flatMap((of) => STAGES.map((stage): Series => [{ ...idsOf(of), stage }, of.stages[stage]]))
  )
  new CountedHistogram(
    registry,
    { name: "sluice_batch_size", help: "Items in a batch that ran.", labels: ids },
    distributions((of) => of.batchSize)
  )
  new CountedHistogram(
    registry,
    { name: "sluice_queue_delay_seconds", help: "How long an item waited for its batch to start.", labels: ids },
    distributions((of) => of.delay)
  )
  addGauge(
    registry,
    { name: "sluice_queue_length", help: "Items that wait for a batch now.", labels: ids },
    "sum",
    each((of) => of.waiting)
  )
  addCounter(
    registry,
    { name: "sluice_abandoned_requests_total", help: "Requests whose caller left before the answer.", labels: ids },
    each((of) => of.abandonments)
  )
  addCounter(
    registry,
    {
      name: "sluice_dropped_items_total",
      help: "Items that left the queue without being computed: their deadline passed, or their caller left.",
      labels: [...ids, "reason"]
    },
    eachOf("reason", (of) => of.drops)
  )
  addCounter(
    registry,
    {
      name: "sluice_refused_items_total",
      help: "Items refused on arrival: the queue was full, or they would not have been computed in time.",
      labels: [...ids, "reason"]
    },
    eachOf("reason", (of) => of.refusals)
  )
  addCounter(
    registry,
    {
      name: "sluice_retried_items_total",
      help: "Items that were computed again because their instance ended.",
      labels: ids
    },
    each((of) => of.retries)
  )
  addCounter(
    registry,
    { name: "sluice_batch_predicted_seconds_total", help: "What batches were predicted to take.", labels: ids },
    each((of) => of.predictedSeconds)
  )
  addCounter(
    registry,
    { name: "sluice_batch_measured_seconds_total", help: "What the same batches took.", labels: ids },
    each((of) => of.measuredSeconds)
  )
  addGauge(
    registry,
    {
      name: "sluice_batch_prediction_error_ratio",
      help: "How far recent batches were from their prediction: |measured - predicted| / measured.",
      labels: ids
    },
    "max",
    each((of) => of.predictionError)
  )
  addGauge(
    registry,
    { name: "sluice_model_loaded", help: "1 while the version is loaded, else 0.", labels: ids },
    "max",
    each((of) => of.isLoaded ? 1 : 0)
  )
  addGauge(
    registry,
    {
      name: "sluice_model_inline",
      help: "1 while the version's batches run on the event loop, 0 while they run in workers.",
      labels: ids
    },
    "max",
    each((of) => of.isInline ? 1 : 0)
  )
  addGauge(
    registry,
    { name: "sluice_models_loaded", help: "Model versions that are loaded.", labels: [] },
    "max",
    () => [[{}, [...meters.versions()].filter((of) => of.isLoaded).length]]
  )
  addCounter(
    registry,
    {
      name: "sluice_cache_items_total",
      help: "Items looked up in the prediction cache, by result.",
      labels: [...ids, "result"]
    },
    eachOf("result", (of) => [["hit", of.cacheHits], ["miss", of.cacheMisses]])
  )
  addCounter(
    registry,
    {
      name: "sluice_cache_store_errors_total",
      help: "Failures of the cache's store, by operation.",
      labels: ["operation"]
    },
    byKey("operation", meters.cacheStoreErrors)
  )
  addCounter(
    registry,
    {
      name: "sluice_cache_stale_items_total",
      help: "Items answered from the prediction cache after their time, because the model could not answer.",
      labels: ids
    },
    each((of) => of.cacheStaleItems)
  )
  addGauge(
    registry,
    {
      name: "sluice_cache_store_state",
      help: "Whether the cache's store is asked: 0 it is, 1 by one caller to see whether it is back, 2 it rests.",
      labels: ["access"]
    },
    "max",
    () =>
      Array.from(
        meters.cacheStoreStates,
        ([access, state]): Sample => [{ access }, CACHE_STORE_STATES.indexOf(state)]
      )
  )
  addGauge(
    registry,
    { name: "sluice_circuit_state", help: "The version's circuit: 0 closed, 1 half open, 2 open.", labels: ids },
    "max",
    each((of) => CIRCUIT_STATES.indexOf(of.circuit))
  )
  addCounter(
    registry,
    {
      name: "sluice_circuit_transitions_total",
      help: "Changes of the version's circuit.",
      labels: [...ids, "from", "to"]
    },
    () =>
      [...meters.versions()].flatMap((of) =>
        Array.from(of.circuitTransitions, ([edge, value]): Sample => {
          const [from = "", to = ""] = edge.split(">")
          return [{ ...idsOf(of), from, to }, value]
        })
      )
  )
  addCounter(
    registry,
    {
      name: "sluice_degraded_answers_total",
      help: "Requests answered otherwise than by the version that was to answer them, by how.",
      labels: [...ids, "kind"]
    },
    eachOf("kind", (of) => of.degradations)
  )
  addCounter(
    registry,
    { name: "sluice_worker_restarts_total", help: "Workers of the version that ended and were replaced.", labels: ids },
    each((of) => of.workerRestarts)
  )
  addRolloutSeries(registry, meters)
  addRateLimitSeries(registry, meters)
  return { render: () => renderPage(registry), snapshot: async () => snapshotOf(await registry.getMetricsAsJSON()) }
}
