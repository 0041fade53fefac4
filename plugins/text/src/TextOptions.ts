/**
 * What a registry entry may set for a text model, and what the files beside the model say.
 */
import type { ModelFiles, PluginError } from "@sluice/plugin-sdk"
import { readJsonBeside, readModelCard } from "@sluice/plugin-sdk/ModelCard"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export const TextTask = Schema.Literals(["text-classification", "text-embedding"])
export type TextTask = typeof TextTask.Type

/** How class scores become probabilities: softmax over the classes, sigmoid of each, or as the model gives them. */
export const Activation = Schema.Literals(["softmax", "sigmoid", "none"])
export type Activation = typeof Activation.Type

/**
 * `task`: by the model's outputs when left out. `labels`: by config.json or model.json. `max_tokens`: 256, or what the
 * model reads if that is less. `truncate`: true; false refuses longer texts. `output`: the model's output to answer
 * with. `normalize`: embeddings of length 1; false. `activation`: softmax, or none if the output is named probabilities.
 */
export const TextOptions = Schema.Struct({
  task: Schema.optionalKey(TextTask),
  labels: Schema.optionalKey(Schema.NonEmptyArray(Schema.String)),
  max_tokens: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 3, maximum: 131_072 }))),
  truncate: Schema.optionalKey(Schema.Boolean),
  output: Schema.optionalKey(Schema.NonEmptyString),
  normalize: Schema.optionalKey(Schema.Boolean),
  activation: Schema.optionalKey(Activation)
}).annotate({ parseOptions: { onExcessProperty: "error" } })
export type TextOptions = typeof TextOptions.Type

/** Hugging Face's `config.json`, as far as it matters here. */
const TransformerConfig = Schema.Struct({
  id2label: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  max_position_embeddings: Schema.optionalKey(Schema.Int)
})

const byIndex = (labels: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  Object.entries(labels).sort(([a], [b]) => Number(a) - Number(b)).map(([, label]) => label)

/** What the files beside a text model say of it. */
export interface TextFacts {
  readonly labels: ReadonlyArray<string> | undefined
  /** How many tokens the position table holds. */
  readonly positions: number | undefined
}

/** Labels are those of the options, else of config.json, else of model.json. */
export const readTextFacts = (files: ModelFiles, options: TextOptions): Effect.Effect<TextFacts, PluginError> =>
  Effect.gen(function*() {
    const config = yield* readJsonBeside(files, "config.json", TransformerConfig)
    const card = yield* readModelCard(files)
    const labels = options.labels ?? (config?.id2label ? byIndex(config.id2label) : card.labels)
    return { labels, positions: config?.max_position_embeddings }
  })
