/**
 * Reads YAML files: as a document that knows its lines, and decoded by a schema. Whatever fails is a `ConfigError`.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SchemaParser from "effect/SchemaParser"
import * as NodeFs from "node:fs/promises"
import { ConfigError, configError, describeValue } from "./ConfigError.ts"
import { schemaMistakes } from "./SchemaMistakes.ts"
import { parseYaml, type YamlDocument } from "./YamlDocument.ts"

/** A registry of a thousand models is below this; a model given in a configuration's place is not. */
const maxBytes = 4 * 1024 * 1024

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "this file does not exist",
  ENOTDIR: "this file does not exist",
  EISDIR: "this is a directory, not a file",
  EACCES: "this file may not be read by the user that runs the server"
}

/** Why a file cannot be used, from the code of Node's error. */
export const describeFileError = (cause: unknown): string => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  return reasons[code] ?? `this file cannot be read${code === "" ? "" : ` (${code})`}`
}

/** Whether a file is missing, as opposed to there but unreadable. */
export const isMissing = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR")

/** The text of a file that is small enough to be YAML of ours. */
export const readText = Effect.fnUntraced(function*(file: string): Effect.fn.Return<string, ConfigError> {
  const attempt = <A>(action: () => Promise<A>) =>
    Effect.tryPromise({
      try: action,
      catch: (cause) => new ConfigError({ mistakes: [{ source: file, problem: describeFileError(cause) }], cause })
    })
  const { size } = yield* attempt(() => NodeFs.stat(file))
  if (size > maxBytes) {
    const problem = `this file has ${size} bytes, and at most ${maxBytes} are read: is it a YAML file?`
    return yield* new ConfigError({ mistakes: [{ source: file, problem }] })
  }
  return yield* attempt(() => NodeFs.readFile(file, "utf8"))
})

/** Reads and parses a YAML file. Relative paths count from the working directory. */
export const readYaml = Effect.fn("YamlFile.readYaml")(
  function*(file: string): Effect.fn.Return<YamlDocument, ConfigError> {
    return yield* Effect.fromResult(parseYaml(yield* readText(file), file))
  }
)

/**
 * Decodes a document by a schema. Fields that the schema does not know are refused, and every mistake is listed; `describe`
 * says what a mistake shows of a value.
 */
export const decodeYaml = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  document: YamlDocument,
  describe: (value: unknown) => string = describeValue
): Result.Result<S["Type"], ConfigError> => {
  const decode = SchemaParser.decodeUnknownResult(schema, { errors: "all", onExcessProperty: "error" })
  return Result.mapError(decode(document.value), (issue) => {
    const problem = "it does not have the shape that is expected"
    return configError(schemaMistakes(issue, document, describe)) ??
      new ConfigError({ mistakes: [{ source: document.file, problem }], cause: issue })
  })
}
