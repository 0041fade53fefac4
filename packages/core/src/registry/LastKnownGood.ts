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

const KeptText = Schema.Struct({ etag: Schema.String, text: Schema.String })

/**
 * `registry`: the registry file's path, absolute. `kept_at`: ISO 8601, UTC. `etag` and `text`: of the registry that served
 * as a whole. `models`: what served of a model since, by its name, where another model's default did not load.
 */
const Kept = Schema.fromJsonString(Schema.Struct({
  registry: Schema.String,
  kept_at: Schema.String,
  etag: Schema.optionalKey(Schema.String),
  text: Schema.optionalKey(Schema.String),
  models: Schema.optionalKey(Schema.Record(Schema.String, KeptText))
}))

const decode = Schema.decodeUnknownOption(Kept)
const encode = Schema.encodeSync(Kept)

export interface LastKnownGood {
  /** The text that was kept of this registry file; undefined where none was, or it is damaged. */
  readonly read: Effect.Effect<string | undefined>
  /** The text by which this model served last. */
  readonly readModel: (name: string) => Effect.Effect<string | undefined>
  /** Keeps the text in place of the former one. A state that cannot be written is a warning in the log. */
  readonly keep: (text: string) => Effect.Effect<void>
  /** Keeps the text for these of its models only. */
  readonly keepModels: (text: string, names: ReadonlyArray<string>) => Effect.Effect<void>
}

/** Keeps nothing, for those who have no state. */
export const nothingKept: LastKnownGood = {
  read: Effect.undefined,
  readModel: () => Effect.undefined,
  keep: () => Effect.void,
  keepModels: () => Effect.void
}

/** What is kept of one registry file, by whole texts. */
interface Texts {
  readonly whole: string | undefined
  readonly models: ReadonlyMap<string, string>
}

const noTexts: Texts = { whole: undefined, models: new Map() }

/** Without what was damaged, or is of another registry file. */
const textsOf = (content: string, owner: string): Texts => {
  const kept = Option.getOrUndefined(decode(content))
  if (kept?.registry !== owner) return noTexts
  const { etag, models = {}, text } = kept
  const whole = Object.entries(models).filter(([, model]) => model.etag === entityTagOf(model.text))
  return {
    whole: text !== undefined && etag === entityTagOf(text) ? text : undefined,
    models: new Map(whole.map(([name, { text }]) => [name, text]))
  }
}

/** Kept in the file `path`, of the registry file `registry` alone. */
export const lastKnownGood = (path: string, registry: string): LastKnownGood => {
  const owner = resolve(registry)
  const readTexts = Effect.tryPromise({ try: () => NodeFs.readFile(path, "utf8"), catch: (cause) => cause }).pipe(
    Effect.map((content) => textsOf(content, owner)),
    Effect.catch((cause) =>
      Effect.as(
        isMissing(cause) ? Effect.void : Effect.logWarning("the registry that served last cannot be read", cause),
        noTexts
      )
    )
  )
  const write = Effect.fnUntraced(function*({ models, whole }: Texts) {
    yield* Effect.tryPromise({ try: () => NodeFs.mkdir(dirname(path), { recursive: true }), catch: (cause) => cause })
    yield* removeLeftovers(path)
    const content = encode({
      registry: owner,
      kept_at: new Date(yield* Clock.currentTimeMillis).toISOString(),
      ...(whole === undefined ? {} : { etag: entityTagOf(whole), text: whole }),
      ...(models.size === 0
        ? {}
        : {
          models: Object.fromEntries(Array.from(models, ([name, text]) => [name, { etag: entityTagOf(text), text }]))
        })
    })
    yield* Effect.scoped(Effect.flatMap(prepareReplacement(path, content), ({ commit }) => commit))
  }, Effect.catch((cause) => Effect.logWarning("the registry that serves cannot be kept for a restart", cause)))
  return {
    read: Effect.map(readTexts, ({ whole }) => whole),
    readModel: (name) => Effect.map(readTexts, ({ models, whole }) => models.get(name) ?? whole),
    keep: (text) =>
      Effect.flatMap(
        readTexts,
        ({ models, whole }) =>
          whole === text && models.size === 0 ? Effect.void : write({ whole: text, models: new Map() })
      ),
    keepModels: (text, names) =>
      Effect.flatMap(readTexts, ({ models, whole }) =>
        names.every((name) => (models.get(name) ?? whole) === text)
          ? Effect.void
          : write({ whole, models: new Map([...models, ...names.map((name) => [name, text] as const)]) }))
  }
}
