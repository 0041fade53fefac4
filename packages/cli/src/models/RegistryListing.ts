/**
 * What the registry file says of its models, decided as a server that is started now would decide it; nothing is loaded.
 */
import { PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import { resolvePrecision } from "@sluice/core/registry/PrecisionChoice"
import type { Registry, VersionEntry } from "@sluice/core/registry/RegistryEntry"
import { readRegistry } from "@sluice/core/registry/RegistryFile"
import { type EntryRefused, planVersion, type ServingConfig, type VersionPlan } from "@sluice/core/registry/VersionPlan"
import { trafficPercent } from "@sluice/core/rollout/Assignment"
import { modelId } from "@sluice/domain/Ids"
import { loadSettings } from "@sluice/server/config/LoadSettings"
import { servingConfig } from "@sluice/server/config/ServingSettings"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { relative } from "node:path"
import type { RegisteredModel } from "./ListedModel.ts"

export interface RegistryListing {
  /** The registry file. */
  readonly file: string
  readonly models: ReadonlyArray<RegisteredModel>
  readonly notices: ReadonlyArray<string>
}

/** The plan is of this machine's plugins and files; how many cores it has changes none of what is listed. */
const cores = 1

const listed = (
  entry: VersionEntry,
  registry: Registry,
  config: ServingConfig,
  outcome: Result.Result<VersionPlan, EntryRefused> | undefined
): RegisteredModel => {
  const model = registry.models.find(({ name }) => name === entry.model)
  const { file, precision } = resolvePrecision(entry, config.precision, entry.device ?? config.device)
  const plan = outcome === undefined ? {} : Result.match(outcome, {
    onSuccess: ({ plugin }) => ({ plugin: plugin.plugin.name, plugin_reason: plugin.reason }),
    onFailure: (error) => ({ refused: error.reason })
  })
  return {
    name: entry.model,
    version: entry.version,
    model_id: modelId(entry.model, entry.version),
    status: entry.status,
    default: model?.defaultVersion === entry.version,
    traffic_percent: model === undefined ? 0 : trafficPercent(model.defaultVersion, model.rollout, entry.version),
    description: entry.description,
    precision,
    device: entry.device ?? config.device,
    file: relative(process.cwd(), file.absolute),
    ...plan
  }
}

/** Fails, as the server would, on bad settings, a bad registry, missing files and plugins that are not installed. */
export const listRegistry = Effect.gen(function*() {
  const { settings } = yield* loadSettings({ env: process.env })
  const registry = yield* readRegistry(settings.models.registry)
  const config = servingConfig(settings, cores)
  const plan = Effect.gen(function*() {
    const catalogue = yield* PluginCatalogue
    return yield* Effect.forEach(registry.models.flatMap((model) => model.versions), (entry) =>
      // The server never looks at the files of a retired version.
      entry.status === "retired"
        ? Effect.succeed(listed(entry, registry, config, undefined))
        : Effect.map(Effect.result(planVersion(entry, config, catalogue)), (outcome) =>
          listed(entry, registry, config, outcome)))
  })
  const models = yield* Effect.provide(plan, PluginCatalogue.layer(settings.plugins, process.cwd()))
  return { file: registry.file, models, notices: registry.notices } satisfies RegistryListing
})
