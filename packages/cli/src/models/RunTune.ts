/**
 * Measures one version of the registry in this process, keeps the table for servers that start here, and prints it.
 */
import { coresOfEach, detectCores } from "@sluice/core/execution/Cores"
import { SpareWorkers } from "@sluice/core/execution/SpareWorkers"
import { PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import { readRegistry } from "@sluice/core/registry/RegistryFile"
import { route } from "@sluice/core/registry/Rollout"
import { planVersion } from "@sluice/core/registry/VersionPlan"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { watchOthers } from "@sluice/core/tuning/MachineLoad"
import { PlanTuner, tuningBudgetMs } from "@sluice/core/tuning/PlanTuner"
import { modelId } from "@sluice/domain/Ids"
import { loadSettings } from "@sluice/server/config/LoadSettings"
import { servingConfig } from "@sluice/server/config/ServingSettings"
import { executionLayer } from "@sluice/server/Engine"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Output, printJson } from "../OutputFlag.ts"
import { busyShare, percent, type PlanReport, renderPlan } from "./PlanReport.ts"

export interface TuneOptions {
  /** `sentiment`, or `sentiment@v2`. */
  readonly model: string
  readonly output: Output
}

/** How long the machine is watched before anything is measured. */
const watchFor = "1 second"

export const runTune = Effect.fnUntraced(function*({ model, output }: TuneOptions) {
  const { settings } = yield* loadSettings({ env: process.env })
  const registry = yield* readRegistry(settings.models.registry)
  const [name = "", ...version] = model.split("@")
  const entry = yield* Effect.fromResult(route(registry, name, version.length === 0 ? undefined : version.join("@")))
  const id = modelId(entry.model, entry.version)
  // As many as the model will have: each of several processes plans for its share.
  const cores = coresOfEach(yield* detectCores, settings.server.workers)

  const othersSince = yield* watchOthers
  yield* Effect.sleep(watchFor)
  const busy = yield* othersSince
  if (busy > busyShare) {
    yield* Console.error(
      `note: this machine is busy, other programs use ${percent(busy)} of it: what is measured now is their doing, too`
    )
  }
  yield* Console.error(
    `note: measuring ${id} on ${cores} cores, which takes up to about ${tuningBudgetMs.onRequest / 1000} s`
  )

  const measure = Effect.gen(function*() {
    const plan = yield* planVersion(entry, servingConfig(settings, cores), yield* PluginCatalogue)
    return yield* (yield* PlanTuner).measure(plan, tuningBudgetMs.onRequest)
  })
  const { choice, notKept, table } = yield* Effect.provide(
    measure,
    Layer.merge(
      PluginCatalogue.layer(settings.plugins, process.cwd()),
      executionLayer(settings, cores, new SpareWorkers(0)).pipe(Layer.provide(Metrics.layer({ enabled: false })))
    )
  )
  const report: PlanReport = { model_id: id, optimize_for: entry.optimizeFor, cores, table, choice }
  yield* Console.log(output === "json" ? printJson(report) : renderPlan(report))
  yield* Console.error(
    notKept === undefined
      ? "note: kept for servers that start on this machine; one that runs takes it up when it is started again"
      : `note: not kept, so servers plan as before: ${notKept}`
  )
})
