/**
 * The registry that served last as it says, kept in the server's state: what a start goes on with where the registry file
 * cannot be served, as a server that runs goes on with what it had.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as NodeFs from "node:fs/promises"
import { dirname, resolve } from "node:path"
import { isMissing } from "../config/YamlFile.ts"
import { entityTagOf } from "./EntityTag.ts"
import { prepareReplacement, removeLeftovers } from "./FileReplacement.ts"

/** `registry`: the registry file's path, absolute. `kept_at`: ISO 8601, UTC. */
const Kept = Schema.fromJsonString(Schema.Struct({
  registry: Schema.String,
  etag: Schema.String,
  kept_at: Schema.String,
  text: Schema.String
}))

const decode = Schema.decodeUnknownOption(Kept)
const encode = Schema.encodeSync(Kept)

export interface LastKnownGood {
  /** The text that was kept of this registry file; undefined where none was, or it is damaged. */
  readonly read: Effect.Effect<string | undefined>
  /** Keeps the text in place of the former one. A state that cannot be written is a warning in the log. */
  readonly keep: (text: string) => Effect.Effect<void>
}

/** Keeps nothing, for those who have no state. */
export const nothingKept: LastKnownGood = { read: Effect.undefined, keep: () => Effect.void }

/** Kept in the file `path`, of the registry file `registry` alone. */
export const lastKnownGood = (path: string, registry: string): LastKnownGood => {
  const owner = resolve(registry)
  const read = Effect.tryPromise({ try: () => NodeFs.readFile(path, "utf8"), catch: (cause) => cause }).pipe(
    Effect.map((content): string | undefined => {
      const kept = Option.getOrUndefined(decode(content))
      return kept?.registry === owner && kept.etag === entityTagOf(kept.text) ? kept.text : undefined
    }),
    Effect.catch((cause) =>
      Effect.as(
        isMissing(cause) ? Effect.void : Effect.logWarning("the registry that served last cannot be read", cause),
        undefined
      )
    )
  )
  const keep = Effect.fnUntraced(function*(text: string) {
    if ((yield* read) === text) return
    yield* Effect.tryPromise({ try: () => NodeFs.mkdir(dirname(path), { recursive: true }), catch: (cause) => cause })
    yield* removeLeftovers(path)
    const kept_at = new Date(yield* Clock.currentTimeMillis).toISOString()
    const content = encode({ registry: owner, etag: entityTagOf(text), kept_at, text })
    yield* Effect.scoped(Effect.flatMap(prepareReplacement(path, content), ({ commit }) => commit))
  }, Effect.catch((cause) => Effect.logWarning("the registry that serves cannot be kept for a restart", cause)))
  return { read, keep }
}
