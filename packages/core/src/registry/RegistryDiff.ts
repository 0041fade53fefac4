/**
 * What a new registry changes in the one that is served. Pure.
 */
import { modelId } from "@sluice/domain/Ids"
import type { RegistryChange } from "./RegistryChange.ts"
import type { ModelEntry, Registry, VersionEntry } from "./RegistryEntry.ts"

/** The versions that are served: a retired one is kept for the record only. */
export const servedEntries = (model: ModelEntry): ReadonlyArray<VersionEntry> => {
  const served = model.versions.filter((version) => version.status !== "retired")
  const isDefault = (entry: VersionEntry) => entry.version === model.defaultVersion
  return [...served.filter(isDefault), ...served.filter((entry) => !isDefault(entry))]
}

/** What routing goes by. */
const routingOf = ({ breaker, defaultVersion, degradation, rollout }: ModelEntry): string =>
  JSON.stringify(
    [defaultVersion, rollout, breaker, degradation],
    (_, value: unknown) => value instanceof Map ? [...value] : value
  )

/** `former` has the identity of each version that is served now, by its id. */
export const registryDiff = (
  former: { readonly models: ReadonlyArray<ModelEntry>; readonly identities: ReadonlyMap<string, string> },
  next: Registry,
  identityOf: (entry: VersionEntry) => string
): RegistryChange => {
  const entries = next.models.flatMap(servedEntries)
  const ids = new Set(entries.map(({ model, version }) => modelId(model, version)))
  const added: Array<string> = []
  const changed: Array<string> = []
  for (const entry of entries) {
    const id = modelId(entry.model, entry.version)
    const identity = former.identities.get(id)
    if (identity === undefined) added.push(id)
    else if (identity !== identityOf(entry)) changed.push(id)
  }
  const routings = new Map(former.models.map((model) => [model.name, routingOf(model)]))
  return {
    added,
    changed,
    removed: [...former.identities.keys()].filter((id) => !ids.has(id)),
    rerouted: next.models
      .filter((model) => routings.has(model.name) && routings.get(model.name) !== routingOf(model))
      .map(({ name }) => name)
  }
}
