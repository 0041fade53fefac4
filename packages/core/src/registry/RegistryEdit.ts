/**
 * Writes a version into the registry file: validated as a server would read it before it replaces the file, at once.
 */
import type { ChangeRefused } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as NodeFs from "node:fs/promises"
import { type ConfigError, configError } from "../config/ConfigError.ts"
import { parseYaml } from "../config/YamlDocument.ts"
import { storeCall } from "../store/ModelStore.ts"
import { hasCode, type PullFailed } from "../store/StoreErrors.ts"
import { prepareReplacement } from "./FileReplacement.ts"
import { takeTurn } from "./FileTurn.ts"
import { type Addition, addVersion, isWithoutModels } from "./RegistryAddition.ts"
import { decodeRegistry } from "./RegistryDecode.ts"
import type { ModelEntry, Registry } from "./RegistryEntry.ts"
import { checkRegistry, missingFiles } from "./RegistryFile.ts"

/** The registry's text; a registry that is not there yet is empty. */
const read = (file: string): Effect.Effect<string, PullFailed> =>
  storeCall(file, () => NodeFs.readFile(file, "utf8")).pipe(
    Effect.catchIf(({ cause }) => hasCode(cause, "ENOENT"), () => Effect.succeed(""))
  )

/** The models that a registry file has, which may be none yet: a server starts on one that has some. */
export const registeredModels = Effect.fn("RegistryEdit.registeredModels")(
  function*(file: string): Effect.fn.Return<ReadonlyArray<ModelEntry>, ConfigError | PullFailed> {
    const text = yield* read(file)
    const { value } = yield* Effect.fromResult(parseYaml(text, file))
    return isWithoutModels(value) ? [] : (yield* checkRegistry(text, file)).models
  }
)

/** Adds the version and returns the registry as it is now. Where anything is wrong the file stays as it was. */
export const writeVersion = Effect.fn("RegistryEdit.writeVersion")(
  function*(
    file: string,
    addition: Addition
  ): Effect.fn.Return<Registry, ConfigError | PullFailed | ChangeRefused, Scope.Scope> {
    yield* takeTurn(file)
    const text = yield* Effect.fromResult(addVersion(yield* read(file), file, addition))
    const document = yield* Effect.fromResult(parseYaml(text, file))
    const registry = yield* Effect.fromResult(decodeRegistry(document))
    const error = configError(yield* missingFiles(registry, document))
    if (error !== undefined) return yield* error
    const { commit } = yield* prepareReplacement(file, text)
    yield* commit
    return registry
  },
  Effect.scoped
)
