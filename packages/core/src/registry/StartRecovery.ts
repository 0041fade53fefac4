/**
 * Gives a model whose default did not load at the start what it had when the registry served last: as a server that runs
 * keeps the former default when the new one does not load.
 */
import * as Effect from "effect/Effect"
import { type ConfigError, configError } from "../config/ConfigError.ts"
import { parseYaml } from "../config/YamlDocument.ts"
import { decodeRegistry } from "./RegistryDecode.ts"
import type { ModelEntry, Registry } from "./RegistryEntry.ts"
import { missingFiles } from "./RegistryFile.ts"
import { RegistryHost } from "./RegistryHost.ts"
import type { EntryRefused } from "./VersionPlan.ts"

/** What the text says of these models, if their files are still there. */
const formerModels = Effect.fnUntraced(function*(
  { file, text }: { readonly text: string; readonly file: string },
  names: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<ModelEntry>, ConfigError> {
  const document = yield* Effect.fromResult(parseYaml(text, file))
  const registry = yield* Effect.fromResult(decodeRegistry(document))
  const models = registry.models.filter(({ name }) => names.includes(name))
  const error = configError(yield* missingFiles({ ...registry, models }, document))
  return error === undefined ? models : yield* error
})

/**
 * Serves the former entries of the models whose default has failed, then the registry once more, which by the host's own
 * rule leaves the former defaults in place. `apply` is false once another registry is served than the one that was started
 * with. Gives the models that went back.
 */
export const recoverDefaults = Effect.fnUntraced(function*(
  registry: Registry,
  former: { readonly text: string; readonly file: string },
  apply: (registry: Registry) => Effect.Effect<boolean, EntryRefused>
): Effect.fn.Return<ReadonlyArray<string>, ConfigError | EntryRefused, RegistryHost> {
  const host = yield* RegistryHost
  const failed = yield* host.failedDefaults
  if (failed.length === 0) return []
  const models = new Map((yield* formerModels(former, failed)).map((model) => [model.name, model]))
  const mixed = { ...registry, models: registry.models.map((model) => models.get(model.name) ?? model) }
  if (models.size === 0 || !(yield* apply(mixed))) return []
  yield* host.settled
  if (yield* apply(registry)) yield* host.settled
  return [...models.keys()]
})
