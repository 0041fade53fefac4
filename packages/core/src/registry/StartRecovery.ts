/**
 * Gives a model whose default did not load at the start what it had when the registry served last: as a server that runs
 * keeps the former default when the new one does not load.
 */
import * as Effect from "effect/Effect"
import { configError } from "../config/ConfigError.ts"
import { type KeptModels, modelOf, servedBefore } from "./ProvenDefaults.ts"
import type { ModelEntry, Registry } from "./RegistryEntry.ts"
import { missingFiles } from "./RegistryFile.ts"
import { RegistryHost } from "./RegistryHost.ts"
import type { EntryRefused } from "./VersionPlan.ts"

/** The model as it served last, if its files are still there. */
const formerModel = Effect.fnUntraced(function*(
  { file, kept }: KeptModels,
  name: string
): Effect.fn.Return<ReadonlyArray<ModelEntry>> {
  const text = yield* kept.readModel(name)
  if (text === undefined) return []
  return yield* Effect.gen(function*() {
    const { document, registry } = yield* Effect.fromResult(modelOf(text, file, name))
    const error = configError(yield* missingFiles(registry, document))
    return error === undefined ? registry.models : yield* error
  }).pipe(
    Effect.catch(({ message }) =>
      Effect.as(Effect.logWarning(`what served last of "${name}" cannot be served either:\n${message}`), [])
    )
  )
})

/**
 * Serves the former entries of the models whose default has failed, then the registry once more, which by the host's own
 * rule leaves the former defaults in place. `apply` is false once another registry is served than the one that was started
 * with. Gives the models that went back.
 */
export const recoverDefaults = Effect.fnUntraced(function*(
  registry: Registry,
  former: KeptModels,
  apply: (registry: Registry) => Effect.Effect<boolean, EntryRefused>
): Effect.fn.Return<ReadonlyArray<string>, EntryRefused, RegistryHost> {
  const host = yield* RegistryHost
  const failed = yield* host.failedDefaults
  if (failed.length === 0) return []
  // The same entry again would fail as it did.
  const others = yield* Effect.filter(
    registry.models.filter(({ name }) => failed.includes(name)),
    (model) => Effect.map(servedBefore(former, model), (isSame) => !isSame)
  )
  const found = yield* Effect.forEach(others, ({ name }) => formerModel(former, name))
  const models = new Map(found.flat().map((model) => [model.name, model]))
  const mixed = { ...registry, models: registry.models.map((model) => models.get(model.name) ?? model) }
  if (models.size === 0 || !(yield* apply(mixed))) return []
  yield* host.settled
  if (yield* apply(registry)) yield* host.settled
  return [...models.keys()]
})
