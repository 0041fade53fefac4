/**
 * A host that knows what a registry says and loads nothing, for tests of how a registry is changed.
 */
import { entryIdentity } from "@sluice/core/registry/EntryIdentity"
import type { RegistryChange } from "@sluice/core/registry/RegistryChange"
import { registryDiff, servedEntries } from "@sluice/core/registry/RegistryDiff"
import type { Registry, VersionEntry } from "@sluice/core/registry/RegistryEntry"
import { RegistryHost } from "@sluice/core/registry/RegistryHost"
import { route } from "@sluice/core/registry/Rollout"
import { modelId } from "@sluice/domain/Ids"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const servedVersions = (registry: Registry): ReadonlyMap<string, VersionEntry> =>
  new Map(registry.models.flatMap(servedEntries).map((entry) => [modelId(entry.model, entry.version), entry] as const))

const changeOf = (before: Registry, after: Registry): RegistryChange =>
  registryDiff(
    {
      models: before.models,
      identities: new Map([...servedVersions(before)].map(([id, entry]) => [id, entryIdentity(entry)]))
    },
    after,
    entryIdentity
  )

/** Every version of the registry counts as loaded until it is unloaded. */
export const standInRegistryHost = (registry: Registry): Layer.Layer<RegistryHost> =>
  Layer.sync(RegistryHost, () => {
    let current = registry
    const unloaded = new Set<string>()
    const named = (model: string, version: string | undefined) =>
      Effect.map(
        Effect.suspend(() => Effect.fromResult(route(current, model, version))),
        (entry) => modelId(entry.model, entry.version)
      )
    return RegistryHost.of({
      settled: Effect.void,
      problems: Effect.succeed([]),
      failedDefaults: Effect.succeed([]),
      unprovenDefaults: Effect.succeed([]),
      preview: (next) => Effect.sync(() => changeOf(current, next)),
      apply: (next) =>
        Effect.sync(() => {
          const change = changeOf(current, next)
          current = next
          return change
        }),
      load: (model, version) => Effect.map(named(model, version), (id) => void unloaded.delete(id)),
      unload: (model, version) =>
        Effect.map(named(model, version), (id) => {
          const ids = version === undefined
            ? [...servedVersions(current)].flatMap(([id, entry]) => entry.model === model ? [id] : [])
            : [id]
          for (const each of ids) unloaded.add(each)
        }),
      stats: Effect.sync(() => {
        const versions = [...servedVersions(current).keys()].map((model_id) => {
          const state = unloaded.has(model_id) ? "unloaded" as const : "ready" as const
          return { model_id, state, bytes: 0, load_ms: null, last_used: null, pinned: false }
        })
        const loaded = versions.filter(({ state }) => state === "ready").length
        return { hits: 0, misses: 0, evictions: 0, loaded, capacity: null, bytes: 0, budget_bytes: null, versions }
      }),
      clear: Effect.sync(() => {
        const idle = [...servedVersions(current).keys()].filter((id) => !unloaded.has(id))
        for (const id of idle) unloaded.add(id)
        return idle.length
      })
    })
  })
