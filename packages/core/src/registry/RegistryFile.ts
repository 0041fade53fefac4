/**
 * Reads `model_registry.yaml`: decoded, cross-checked, its files found. Everything that is wrong is said at once.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { constants } from "node:fs"
import * as NodeFs from "node:fs/promises"
import { type ConfigError, configError, type ConfigMistake, fieldPath } from "../config/ConfigError.ts"
import { parseYaml, type YamlDocument } from "../config/YamlDocument.ts"
import { describeFileError, readText } from "../config/YamlFile.ts"
import { decodeRegistry } from "./RegistryDecode.ts"
import type { ModelFile, Registry, VersionEntry } from "./RegistryEntry.ts"

/** The files of a version that must be there. A retired version is kept for the record, its files may be gone. */
const neededFiles = (version: VersionEntry) =>
  version.status === "retired" ? [] : [
    { field: ["path"], file: version.file },
    ...Array.from(version.variants, ([precision, file]) => ({ field: ["variants", precision], file }))
  ]

const checkFile = Effect.fnUntraced(function*(file: ModelFile): Effect.fn.Return<string | undefined> {
  const stats = yield* Effect.tryPromise({
    try: async () => {
      await NodeFs.access(file.absolute, constants.R_OK)
      return NodeFs.stat(file.absolute)
    },
    catch: describeFileError
  }).pipe(Effect.result)
  if (Result.isFailure(stats)) return stats.failure
  return stats.success.isFile() ? undefined : "this is a directory, not a file"
})

/** Mistakes for the model files that are missing or cannot be read. */
export const missingFiles = Effect.fn("RegistryFile.missingFiles")(
  function*(registry: Registry, document: YamlDocument): Effect.fn.Return<ReadonlyArray<ConfigMistake>> {
    const needed = registry.models.flatMap((model) => model.versions).flatMap((version) =>
      neededFiles(version).map((file) => ({ ...file, version }))
    )
    const checked = yield* Effect.forEach(
      needed,
      ({ field, file, version }) =>
        Effect.map(checkFile(file), (reason) => {
          const path = ["models", version.model, "versions", version.version, ...field]
          return reason === undefined ? [] : [{
            source: document.file,
            line: document.lineOf(path),
            field: fieldPath(path),
            problem: `model "${version.model}" version "${version.version}" has its file at "${file.written}", but ` +
              `${reason}: ${file.absolute}`
          }]
        }),
      { concurrency: 16 }
    )
    return checked.flat()
  }
)

/** Decodes and cross-checks the text of a registry that is, or will be, this file, and looks for the files it needs. */
export const checkRegistry = Effect.fn("RegistryFile.checkRegistry")(
  function*(text: string, file: string): Effect.fn.Return<Registry, ConfigError> {
    const document = yield* Effect.fromResult(parseYaml(text, file))
    const registry = yield* Effect.fromResult(decodeRegistry(document))
    const error = configError(yield* missingFiles(registry, document))
    if (error !== undefined) return yield* error
    return registry
  }
)

/** A registry with the text that it was read from. */
export interface RegistrySource {
  readonly text: string
  readonly registry: Registry
}

/** Reads the registry file, and keeps its text. */
export const readRegistrySource = Effect.fn("RegistryFile.readRegistrySource")(
  function*(file: string): Effect.fn.Return<RegistrySource, ConfigError> {
    const text = yield* readText(file)
    return { text, registry: yield* checkRegistry(text, file) }
  }
)

/** Reads the registry and makes sure that every file it needs is there. */
export const readRegistry = (file: string): Effect.Effect<Registry, ConfigError> =>
  Effect.map(readRegistrySource(file), ({ registry }) => registry)
