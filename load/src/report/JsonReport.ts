/**
 * A run as JSON: every figure of every round, and the machine that they were measured on.
 */
import { availableParallelism, cpus, totalmem } from "node:os"
import type { Options } from "../Options.ts"
import type { Outcome } from "./Outcome.ts"
import { median } from "./Statistics.ts"

/** How one scenario ended. */
export type ScenarioReport =
  & { readonly scenario: string; readonly about: string }
  & ({ readonly outcome: Outcome } | { readonly skipped: string } | { readonly failed: string })

const outcomeJson = ({ measurements, notes, verdicts }: Outcome) => ({
  measurements: measurements.map((each) => ({ ...each, median: median(each.values) })),
  verdicts: verdicts.map(({ bound, demand, limit, met, name, unit, values }) => ({
    name,
    demand,
    [bound]: limit,
    unit,
    values,
    median: median(values),
    met
  })),
  notes
})

export const reportOf = (startedAt: Date, options: Options, reports: ReadonlyArray<ScenarioReport>) => ({
  started_at: startedAt.toISOString(),
  machine: {
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    memory_bytes: totalmem(),
    node: process.version
  },
  rounds: options.rounds,
  seconds: options.seconds,
  long_seconds: options.long,
  scenarios: reports.map((report) =>
    "outcome" in report
      ? { scenario: report.scenario, about: report.about, ...outcomeJson(report.outcome) }
      : report
  )
})
