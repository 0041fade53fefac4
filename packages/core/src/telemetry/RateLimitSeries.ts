/**
 * The metrics page's part on rate limits, as data.
 */
import type { RateLimitMeters } from "./RateLimitMeters.ts"

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

export interface CounterSeries {
  readonly name: string
  readonly help: string
  readonly labels: ReadonlyArray<string>
  readonly samples: () => ReadonlyArray<Sample>
}

const byKey = (label: string, counts: ReadonlyMap<string, number>): ReadonlyArray<Sample> =>
  Array.from(counts, ([key, value]): Sample => [{ [label]: key }, value])

export const rateLimitSeries = (meters: RateLimitMeters): ReadonlyArray<CounterSeries> => [
  {
    name: "sluice_rate_limit_decisions_total",
    help: "Calls that a limit let in, or refused for want of room.",
    labels: ["limit", "metric", "decision"],
    samples: () =>
      [...meters.decisions].flatMap(({ allowed, denied, metric, scope: limit }): ReadonlyArray<Sample> => [
        [{ limit, metric, decision: "allowed" }, allowed],
        [{ limit, metric, decision: "denied" }, denied]
      ])
  },
  {
    name: "sluice_rate_limit_store_errors_total",
    help: "Failures of the store of rate limits, by reason.",
    labels: ["reason"],
    samples: () => byKey("reason", meters.storeErrors)
  },
  {
    name: "sluice_rate_limit_fallbacks_total",
    help: "Calls decided without the store of rate limits, by what was done with them.",
    labels: ["mode"],
    samples: () => byKey("mode", meters.fallbacks)
  }
]
