/**
 * Writes a version into the registry file: validated as a server would read it before it replaces the file, at once.
 */
import * as Effect from "effect/Effect"
import * as NodeFs from "node:fs/promises"
import { type ConfigError, configError } from "../config/ConfigError.ts"
import { parseYaml } from "../config/YamlDocument.ts"
import { storeCall, writeWhole } from "../store/ModelStore.ts"
import { hasCode, type PullFailed } from "../store/StoreErrors.ts"
import { type Addition, addVersion } from "./RegistryAddition.ts"
import { decodeRegistry } from "./RegistryDecode.ts"
import type { Registry } from "./RegistryEntry.ts"
import { missingFiles } from "./RegistryFile.ts"

interface Written {
  /** Where the file itself is, links followed. */
  readonly path: string
  readonly text: string
  readonly mode: number
}

const read = (file: string): Effect.Effect<Written, PullFailed> =>
  storeCall(file, async () => {
    const path = await NodeFs.realpath(file)
    const { mode } = await NodeFs.stat(path)
    return { path, text: await NodeFs.readFile(path, "utf8"), mode: mode & 0o777 }
  }).pipe(
    Effect.catchIf(
      ({ cause }) => hasCode(cause, "ENOENT"),
      () => Effect.succeed<Written>({ path: file, text: "", mode: 0o644 })
    )
  )

/** Adds the version and returns the registry as it is now. Where anything is wrong the file stays as it was. */
export const writeVersion = Effect.fn("RegistryEdit.writeVersion")(
  function*(file: string, addition: Addition): Effect.fn.Return<Registry, ConfigError | PullFailed> {
    const before = yield* read(file)
    const text = yield* Effect.fromResult(addVersion(before.text, file, addition))
    const document = yield* Effect.fromResult(parseYaml(text, file))
    const registry = yield* Effect.fromResult(decodeRegistry(document))
    const error = configError(yield* missingFiles(registry, document))
    if (error !== undefined) return yield* error
    yield* writeWhole(before.path, text, before.mode)
    return registry
  }
)
