/**
 * `model.json`: what a model's author says of it beside the file, for plugins that need names the file does not hold.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFile } from "node:fs/promises"
import { type ModelFiles, PluginError } from "./Plugin.ts"

const Names = Schema.NullOr(Schema.Array(Schema.String))

/** Class names in the order of the model's outputs, and feature names in the order of its inputs. */
const ModelCard = Schema.Struct({
  labels: Schema.optionalKey(Names),
  features: Schema.optionalKey(Names)
})

export interface ModelCard {
  readonly labels?: ReadonlyArray<string>
  readonly features?: ReadonlyArray<string>
}

/** Reads and decodes a JSON file that lies beside the model; undefined if there is none. Unknown keys are ignored. */
export const readJsonBeside = <A, I>(
  files: ModelFiles,
  name: string,
  schema: Schema.Codec<A, I>
): Effect.Effect<A | undefined, PluginError> => {
  const path = files.beside(name)
  if (path === undefined) return Effect.succeed(undefined)
  return Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause) => new PluginError({ reason: `${name} beside the model cannot be read`, cause })
  }).pipe(
    Effect.flatMap((text) =>
      Effect.mapError(
        Schema.decodeUnknownEffect(Schema.fromJsonString(schema))(text),
        (cause) =>
          new PluginError({ reason: `${name} beside the model is not what it should be: ${cause.message}`, cause })
      )
    )
  )
}

/** The `model.json` beside the model; empty if there is none. */
export const readModelCard = (files: ModelFiles): Effect.Effect<ModelCard, PluginError> =>
  Effect.map(readJsonBeside(files, "model.json", ModelCard), (card) => ({
    ...(card?.labels ? { labels: card.labels } : {}),
    ...(card?.features ? { features: card.features } : {})
  }))
