/**
 * One page of what several processes have: what they count is added up, and of what they measure the value is shown that an
 * operator would look for. Loaded with the first page, never before.
 */
import { type Aggregator, AggregatorRegistry } from "prom-client"
import type { MetricsPage } from "./MetricsPage.ts"
import type { MetricFamily, MetricsSnapshot } from "./MetricsSnapshot.ts"
import { renderPage } from "./PrometheusPage.ts"

/** Where the metrics library would show a mean of delays, which hides a process that is stuck, or nothing. */
const aggregators: Readonly<Record<string, Aggregator>> = {
  nodejs_eventloop_lag_seconds: "max",
  nodejs_eventloop_lag_p50_seconds: "max",
  nodejs_eventloop_lag_p90_seconds: "max",
  nodejs_eventloop_lag_p99_seconds: "max",
  process_start_time_seconds: "min",
  process_max_fds: "min"
}

/** A delay that one process has not measured yet is no number, and would make none of all the others'. */
const forAggregation = (family: MetricFamily): MetricFamily => ({
  ...family,
  aggregator: aggregators[family.name] ?? family.aggregator,
  values: family.values.filter(({ value }) => !Number.isNaN(value))
})

export const aggregatedPage = (snapshots: ReadonlyArray<MetricsSnapshot>): Promise<MetricsPage> =>
  renderPage(AggregatorRegistry.aggregate(snapshots.map((snapshot) => snapshot.map(forAggregation))))
