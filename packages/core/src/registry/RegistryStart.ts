/**
 * Which registry a start serves: the file, or, where that cannot be served, the one that served last.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ConfigError } from "../config/ConfigError.ts"
import { readText } from "../config/YamlFile.ts"
import type { LastKnownGood } from "./LastKnownGood.ts"
import type { Registry } from "./RegistryEntry.ts"
import { checkRegistry, type RegistrySource } from "./RegistryFile.ts"
import type { EntryRefused } from "./VersionPlan.ts"

/** The registry file as it was found, and why it is not served. */
export interface RefusedFile {
  /** Undefined where it could not be read. */
  readonly text: string | undefined
  readonly error: ConfigError | EntryRefused
}

export interface RegistryStart {
  readonly source: RegistrySource
  /** Present where the source is what served last. */
  readonly refused?: RefusedFile
}

/**
 * Reads the registry file. One that cannot be served fails, unless another text served last from this file and still can
 * be. `plan` says whether the plugins take a registry; it is asked only where there is something else to serve.
 */
export const readStart = Effect.fn("RegistryStart.read")(function*(
  file: string,
  kept: LastKnownGood,
  plan: (registry: Registry) => Effect.Effect<void, EntryRefused>
): Effect.fn.Return<RegistryStart, ConfigError | EntryRefused> {
  const served = (text: string) =>
    Effect.map(Effect.tap(checkRegistry(text, file), plan), (registry): RegistrySource => ({ text, registry }))
  const last = yield* kept.read
  const read = yield* Effect.result(readText(file))
  const text = Result.getOrUndefined(read)
  if (last === undefined || last === text) {
    const text = yield* Effect.fromResult(read)
    return { source: { text, registry: yield* checkRegistry(text, file) } }
  }
  const found = yield* Effect.result(Effect.flatMap(Effect.fromResult(read), served))
  if (Result.isSuccess(found)) return { source: found.success }
  const error = found.failure
  const former = yield* Effect.result(served(last))
  if (Result.isFailure(former)) {
    yield* Effect.logWarning(`the registry that served last cannot be served either:\n${former.failure.message}`)
    return yield* Effect.fail(error)
  }
  return { source: former.success, refused: { text, error } }
})
