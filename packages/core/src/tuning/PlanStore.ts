/**
 * Measured tables kept in files, so that a model is measured once on a machine. A file that cannot be read counts as
 * absent: it costs a measurement.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { createHash, randomUUID } from "node:crypto"
import * as NodeFs from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { PlanTable } from "./PlanTable.ts"

/** All that a measurement depends on. */
export const PlanKey = Schema.Struct({
  /** SHA-256 of the model file, in hexadecimal. */
  model: Schema.String,
  plugin: Schema.String,
  options: Schema.Unknown,
  device: Schema.String,
  /** As the machine names its processor. */
  cpu: Schema.String,
  cores: Schema.Int,
  /** As the operator fixed them, and only those were measured; 0 where they are free. */
  instances: Schema.Int,
  threads: Schema.Int,
  node: Schema.String,
  /** The version of onnxruntime beside the plugin, if it has one. */
  runtime: Schema.String
})
export interface PlanKey extends Schema.Schema.Type<typeof PlanKey> {}

const StoredPlan = Schema.fromJsonString(Schema.Struct({ key: PlanKey, table: PlanTable }))

export class PlanNotKept extends Data.TaggedError("PlanNotKept")<{ readonly path: string; readonly cause: unknown }> {
  override get message() {
    const { cause } = this
    return `${this.path} cannot be written (${cause instanceof Error ? cause.message : String(cause)}): ` +
      "set SLUICE_CACHE_DIR to a folder that can"
  }
}

/** JSON whose keys are in order, so that equal values are equal texts. */
const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part)

/** The folder of the user's caches: `XDG_CACHE_HOME`, else `~/.cache`. */
export const defaultCacheDirectory = (variables: Readonly<Record<string, string | undefined>>): string =>
  join(variables["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "sluice")

export interface PlanStore {
  /** Whether anything was ever kept, which is asked before a key is computed. */
  readonly isEmpty: Effect.Effect<boolean>
  readonly find: (key: PlanKey) => Effect.Effect<PlanTable | undefined>
  /** Replaces what was there, as a whole: another process reads the old table or the new one. */
  readonly keep: (key: PlanKey, table: PlanTable) => Effect.Effect<void, PlanNotKept>
}

/** Keeps a file a key in `plans` of this folder. */
export const makePlanStore = (directory: string): PlanStore => {
  const folder = join(directory, "plans")
  const pathOf = (key: PlanKey) =>
    join(folder, `${createHash("sha256").update(canonicalJson(key)).digest("hex").slice(0, 32)}.json`)
  return {
    isEmpty: Effect.tryPromise(() => NodeFs.readdir(folder)).pipe(
      Effect.map((names) => !names.some((name) => name.endsWith(".json"))),
      Effect.catch(() => Effect.succeed(true))
    ),
    find: (key) =>
      Effect.tryPromise(() => NodeFs.readFile(pathOf(key), "utf8")).pipe(
        Effect.flatMap(Schema.decodeUnknownEffect(StoredPlan)),
        Effect.option,
        Effect.map((stored) =>
          Option.isSome(stored) && canonicalJson(stored.value.key) === canonicalJson(key)
            ? stored.value.table
            : undefined
        )
      ),
    keep: (key, table) => {
      const path = pathOf(key)
      return Effect.tryPromise({
        try: async () => {
          await NodeFs.mkdir(folder, { recursive: true })
          const written = `${path}.${randomUUID()}`
          await NodeFs.writeFile(written, `${JSON.stringify({ key, table }, null, 1)}\n`)
          await NodeFs.rename(written, path)
        },
        catch: (cause) => new PlanNotKept({ path, cause })
      })
    }
  }
}
