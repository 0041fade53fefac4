/**
 * Reads what the settings come from: the environment, `.env` in the working directory, and the YAML file.
 */
import { ConfigError } from "@sluice/core/config/ConfigError"
import type { YamlDocument } from "@sluice/core/config/YamlDocument"
import { describeFileError, isMissing, readYaml } from "@sluice/core/config/YamlFile"
import * as Effect from "effect/Effect"
import * as NodeFs from "node:fs/promises"
import { join } from "node:path"
import { parseEnv } from "node:util"
import { locateConfigFile, type ResolvedSettings, resolveSettings, type Variables } from "./Settings.ts"

export interface LoadOptions {
  readonly env: Variables
  /** Where `.env` and the default files are: the working directory when left out. */
  readonly directory?: string
}

const readDotenv = Effect.fnUntraced(function*(file: string): Effect.fn.Return<Variables, ConfigError> {
  const text = yield* Effect.tryPromise({
    try: () => NodeFs.readFile(file, "utf8"),
    catch: (cause) => new ConfigError({ mistakes: [{ source: file, problem: describeFileError(cause) }], cause })
  }).pipe(Effect.catchIf((error) => isMissing(error.cause), () => Effect.succeed("")))
  return parseEnv(text)
})

/** The default file may be missing, so that a server starts without any. */
const readConfigFile = (file: string, explicit: boolean): Effect.Effect<YamlDocument | undefined, ConfigError> =>
  explicit
    ? readYaml(file)
    : readYaml(file).pipe(Effect.catchIf((error) => isMissing(error.cause), () => Effect.undefined))

/** Reads and resolves the settings. */
export const loadSettings = Effect.fn("Settings.load")(
  function*(options: LoadOptions): Effect.fn.Return<ResolvedSettings, ConfigError> {
    const directory = options.directory ?? "."
    const dotenv = yield* readDotenv(join(directory, ".env"))
    const sources = { env: options.env, dotenv, directory }
    const { explicit, file } = yield* Effect.fromResult(locateConfigFile(sources))
    const yaml = yield* readConfigFile(file, explicit)
    return yield* Effect.fromResult(resolveSettings({ ...sources, yaml }))
  }
)
