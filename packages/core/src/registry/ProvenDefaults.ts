/**
 * Which models of a registry have shown that their default loads: those are kept for the next start.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { parseYaml } from "../config/YamlDocument.ts"
import { entryIdentity } from "./EntryIdentity.ts"
import type { LastKnownGood } from "./LastKnownGood.ts"
import { decodeRegistry } from "./RegistryDecode.ts"
import type { ModelEntry, Registry } from "./RegistryEntry.ts"
import type { RegistrySource } from "./RegistryFile.ts"
import { RegistryHost } from "./RegistryHost.ts"

/** What is kept of models, and the registry file that it was kept of. */
export interface KeptModels {
  readonly kept: LastKnownGood
  readonly file: string
}

const onlyModel = (registry: Registry, name: string): Registry => ({
  ...registry,
  models: registry.models.filter((model) => model.name === name)
})

/** What the text says of a model. */
export const modelOf = (text: string, file: string, name: string) =>
  Result.flatMap(
    parseYaml(text, file),
    (document) =>
      Result.map(decodeRegistry(document), (registry) => ({ document, registry: onlyModel(registry, name) }))
  )

/** Whether the model's default is the same entry that served last: where it was not loaded yet, that counts. */
export const servedBefore = Effect.fnUntraced(function*(
  { file, kept }: KeptModels,
  { defaultVersion, name, versions }: ModelEntry
) {
  const text = yield* kept.readModel(name)
  const former = text === undefined ? undefined : Result.getOrUndefined(modelOf(text, file, name))?.registry.models[0]
  const before = former?.versions.find(({ version }) => version === former.defaultVersion)
  const now = versions.find(({ version }) => version === defaultVersion)
  return before !== undefined && now !== undefined && entryIdentity(before) === entryIdentity(now)
})

/**
 * Keeps of what is served the models whose default has loaded, now or when it was kept as it is. Gives those that are left
 * out only until they are loaded, as `unprovenDefaults` has them, a line each; undefined where there are none.
 */
export const keepProven = Effect.fnUntraced(function*(
  kept: LastKnownGood,
  file: string,
  { registry, text }: RegistrySource
): Effect.fn.Return<string | undefined, never, RegistryHost> {
  const host = yield* RegistryHost
  const failed = new Set(yield* host.failedDefaults)
  const waiting = yield* host.unprovenDefaults
  const models = registry.models.filter(({ name }) => waiting.includes(name) && !failed.has(name))
  const unproven = yield* Effect.filter(
    models,
    (model) => Effect.map(servedBefore({ kept, file }, model), (isKnown) => !isKnown)
  )
  const missing = new Set([...failed, ...unproven.map(({ name }) => name)])
  const good = registry.models.map(({ name }) => name).filter((name) => !missing.has(name))
  yield* missing.size === 0 ? kept.keep(text) : kept.keepModels(text, good)
  return unproven.length === 0 ? undefined : waiting.join("\n")
})
