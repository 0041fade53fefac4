/**
 * Rollouts on the metrics page: where they stand, what was decided, and what is counted of their versions.
 */
import { RolloutPhase } from "@sluice/domain/RolloutStatus"
import type { Registry } from "prom-client"
import { addCounter, addGauge, type Sample } from "./CountedMetrics.ts"
import type { Meters } from "./MetricsPage.ts"
import type { RoleCounts, VersionMeters } from "./VersionMeters.ts"

const ids = ["model", "version"]

/** Counters of every version, and of what it did in each of its roles. */
const addVersionSeries = (registry: Registry, { versions }: Meters): void => {
  const counter = (name: string, help: string, value: (of: VersionMeters) => number) =>
    addCounter(
      registry,
      { name, help, labels: ids },
      () => Array.from(versions(), (of): Sample => [{ model: of.model, version: of.version }, value(of)])
    )
  const counterByRole = (name: string, help: string, value: (of: RoleCounts) => number) =>
    addCounter(
      registry,
      { name, help, labels: [...ids, "role"] },
      () =>
        [...versions()].flatMap(({ model, rolloutRoles, version }) =>
          Array.from(rolloutRoles, ([role, counts]): Sample => [{ model, version, role }, value(counts)])
        )
    )
  counter(
    "sluice_rollout_assignments_total",
    "Requests that named no version, by the version that they were given.",
    (of) => of.assignments
  )
  counterByRole(
    "sluice_rollout_requests_total",
    "Requests that a rollout counts, by the version that computed them and its role.",
    (of) => of.requests
  )
  counterByRole(
    "sluice_rollout_request_errors_total",
    "Those of them that failed by the version's own fault.",
    (of) => of.errors
  )
  counter(
    "sluice_rollout_compared_items_total",
    "Items that the version computed as a rollout's target, and the default too.",
    (of) => of.comparedItems
  )
  counter(
    "sluice_rollout_agreed_items_total",
    "Those of them on which both predict the same.",
    (of) => of.agreedItems
  )
  counter(
    "sluice_rollout_dropped_copies_total",
    "Copies of requests that were not computed for comparison with the version, for want of room.",
    (of) => of.droppedCopies
  )
}

/** The models' rollouts themselves. */
const addModelSeries = (registry: Registry, { rollouts }: Meters): void => {
  addGauge(
    registry,
    {
      name: "sluice_rollout_phase",
      help: "1 for the phase that the model's rollout is in, 0 for the others.",
      labels: ["model", "phase"]
    },
    // While a change gets around, the phases of before and after are both shown.
    "max",
    () =>
      [...rollouts()].flatMap(({ model, phase: current }) =>
        RolloutPhase.literals.map((phase): Sample => [{ model, phase }, phase === current ? 1 : 0])
      )
  )
  addGauge(
    registry,
    {
      name: "sluice_rollout_target_ratio",
      help: "The share of requests without a version that the rollout's target answers, or a shadow copies. 0 to 1.",
      labels: ids
    },
    "average",
    () =>
      Array.from(
        rollouts(),
        ({ model, percentage, targetVersion }): Sample => [{ model, version: targetVersion }, percentage / 100]
      )
  )
  addCounter(
    registry,
    {
      name: "sluice_rollout_decisions_total",
      help: "Changes of the model's rollout, by its controller or by hand.",
      labels: ["model", "decision"]
    },
    () =>
      [...rollouts()].flatMap(({ decisions, model }) =>
        Array.from(decisions, ([decision, value]): Sample => [{ model, decision }, value])
      )
  )
}

export const addRolloutSeries = (registry: Registry, meters: Meters): void => {
  addModelSeries(registry, meters)
  addVersionSeries(registry, meters)
}
