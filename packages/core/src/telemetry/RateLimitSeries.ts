/**
 * Rate limits on the metrics page: what they decided, and how their store does.
 */
import type { Registry } from "prom-client"
import { addCounter, type Sample } from "./CountedMetrics.ts"
import type { Meters } from "./MetricsPage.ts"

const byKey = (label: string, counts: ReadonlyMap<string, number>) => (): ReadonlyArray<Sample> =>
  Array.from(counts, ([key, value]): Sample => [{ [label]: key }, value])

export const addRateLimitSeries = (registry: Registry, { rateLimits }: Meters): void => {
  addCounter(
    registry,
    {
      name: "sluice_rate_limit_decisions_total",
      help: "Calls that a limit let in, or refused for want of room.",
      labels: ["limit", "metric", "decision"]
    },
    () =>
      [...rateLimits.decisions].flatMap(({ allowed, denied, metric, scope: limit }): ReadonlyArray<Sample> => [
        [{ limit, metric, decision: "allowed" }, allowed],
        [{ limit, metric, decision: "denied" }, denied]
      ])
  )
  addCounter(
    registry,
    {
      name: "sluice_rate_limit_store_errors_total",
      help: "Failures of the store of rate limits, by reason.",
      labels: ["reason"]
    },
    byKey("reason", rateLimits.storeErrors)
  )
  addCounter(
    registry,
    {
      name: "sluice_rate_limit_fallbacks_total",
      help: "Calls decided without the store of rate limits, by what was done with them.",
      labels: ["mode"]
    },
    byKey("mode", rateLimits.fallbacks)
  )
}
