/**
 * What a sentence-transformers repository says of its embeddings, in the text plugin's options. Pure.
 * https://sbert.net/docs/sentence_transformer/usage/custom_models.html
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

const Modules = Schema.fromJsonString(Schema.Array(Schema.Struct({ type: Schema.String })))
const Pooling = Schema.fromJsonString(Schema.Struct({ pooling_mode_mean_tokens: Schema.optionalKey(Schema.Boolean) }))

export interface SentenceFacts {
  /** For the registry entry. */
  readonly options: Readonly<Record<string, unknown>>
  /** What the plugin will do otherwise than the repository. */
  readonly note: string | undefined
}

/** By the texts of `modules.json` and `1_Pooling/config.json`; undefined where it is no such repository. */
export const sentenceFacts = (modules: string | undefined, pooling: string | undefined): SentenceFacts | undefined => {
  const read = Option.flatMap(Option.fromUndefinedOr(modules), Schema.decodeUnknownOption(Modules))
  if (Option.isNone(read)) return undefined
  const normalize = read.value.some(({ type }) => type.endsWith(".Normalize"))
  const mean = Option.flatMap(Option.fromUndefinedOr(pooling), Schema.decodeUnknownOption(Pooling))
  return {
    options: { task: "text-embedding", ...(normalize ? { normalize } : {}) },
    note: Option.isSome(mean) && mean.value.pooling_mode_mean_tokens === false
      ? "the repository does not take the mean of the tokens' vectors, the text plugin does: embeddings will differ " +
        "unless the file has an output of its own for them"
      : undefined
  }
}
