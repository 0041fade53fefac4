/**
 * Texts to token ids by a `tokenizer.json`, at most so many, in time that does not grow with the text.
 */
import type { Tokenizer } from "@huggingface/tokenizers"
import { type ModelFiles, PluginError } from "@sluice/plugin-sdk"
import { readJsonBeside } from "@sluice/plugin-sdk/ModelCard"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { byWords } from "./WordCache.ts"

const TokenName = Schema.Union([Schema.String, Schema.Struct({ content: Schema.String })])

const TokenizerConfig = Schema.Record(Schema.String, Schema.Unknown)

const PadToken = Schema.Struct({ pad_token: Schema.optionalKey(Schema.NullOr(TokenName)) })
const Limit = Schema.Struct({ model_max_length: Schema.optionalKey(Schema.Finite) })

const TokenizerFile = Schema.Struct({
  padding: Schema.optionalKey(Schema.NullOr(Schema.Struct({ pad_id: Schema.optionalKey(Schema.Int) })))
})

/** A text's token ids, special tokens left out. `exhausted`: they are those of the whole text. */
export interface Tokens {
  readonly ids: ReadonlyArray<number>
  readonly exhausted: boolean
}

export interface TextTokenizer {
  /** Special tokens before and after a text, such as [CLS] and [SEP]. */
  readonly before: ReadonlyArray<number>
  readonly after: ReadonlyArray<number>
  readonly padId: number
  /** The longest input that tokenizer_config.json allows. */
  readonly longest: number | undefined
  /** Whether the vocabulary has a token of this id. */
  readonly knows: (id: number) => boolean
  /** The ids of a text: all of them, or more than `room`. */
  readonly tokens: (text: string, room: number) => Tokens
}

/** Tokens of one text are on average shorter than this many characters, whatever the language. */
const CHARS_FIRST = 6
/** How much text is read for a token of room; more is read by no tokenizer of natural language. */
const CHARS_MOST = 64
/** How many tokens the last word of a text cut inside a word may have; WordPiece gives up at 100 characters. */
const WORD_MOST = 100

const isSpace = (code: number): boolean => code === 32 || code === 10 || code === 13 || code === 9

/** Where to cut a text so that at most `most` characters come before: at a space if the second half has one. */
const cutAt = (text: string, most: number): { readonly end: number; readonly clean: boolean } => {
  for (let end = most; end > most / 2; end--) if (isSpace(text.charCodeAt(end))) return { end, clean: true }
  const code = text.charCodeAt(most - 1)
  return { end: code >= 0xd800 && code < 0xdc00 ? most - 1 : most, clean: false }
}

/**
 * Tokenises a growing prefix until it has more than `room` tokens. What comes before a space is tokenised alike with or
 * without what follows, for tokenizers that split at spaces; others (Unigram without a pre-tokenizer) may differ in the
 * last word. Texts with fewer tokens than a sixty-fourth of their characters are read only so far.
 */
const prefixTokens = (encode: (text: string) => ReadonlyArray<number>, text: string, room: number): Tokens => {
  const limit = (room + WORD_MOST) * CHARS_MOST
  for (let most = (room + 8) * CHARS_FIRST;; most *= 4) {
    if (text.length <= most) return { ids: encode(text), exhausted: true }
    const cut = cutAt(text, Math.min(most, limit))
    const ids = encode(text.slice(0, cut.end))
    if (ids.length > room + (cut.clean ? 0 : WORD_MOST) || most >= limit) return { ids, exhausted: false }
  }
}

/** The special tokens around a text, from what a letter is with and without them. */
const specialTokens = (tokenizer: Tokenizer): Pick<TextTokenizer, "before" | "after"> | undefined => {
  const inner: ReadonlyArray<number> = tokenizer.encode("a", { add_special_tokens: false }).ids
  const outer: ReadonlyArray<number> = tokenizer.encode("a").ids
  for (let start = 0; start + inner.length <= outer.length; start++) {
    if (inner.every((id, i) => id === outer[start + i])) {
      return { before: outer.slice(0, start), after: outer.slice(start + inner.length) }
    }
  }
  return undefined
}

/** Reads tokenizer.json, and tokenizer_config.json if there is one. Their own truncation and padding are ignored. */
export const readTokenizer = (files: ModelFiles): Effect.Effect<TextTokenizer, PluginError> =>
  Effect.gen(function*() {
    const file = yield* readJsonBeside(files, "tokenizer.json", Schema.Record(Schema.String, Schema.Unknown))
    if (file === undefined) {
      return yield* new PluginError({ reason: `tokenizer.json must lie beside ${files.path}` })
    }
    const config = (yield* readJsonBeside(files, "tokenizer_config.json", TokenizerConfig)) ?? {}
    return yield* Effect.gen(function*() {
      const { padding } = yield* Schema.decodeUnknownEffect(TokenizerFile)(file)
      const { pad_token } = yield* Schema.decodeUnknownEffect(PadToken)(config)
      const { model_max_length } = yield* Schema.decodeUnknownEffect(Limit)(config)
      const tokenizer = yield* Effect.tryPromise(async () => {
        const { Tokenizer } = await import("@huggingface/tokenizers")
        return new Tokenizer(file, config)
      })
      const special = specialTokens(tokenizer)
      if (special === undefined) {
        return yield* new PluginError({
          reason: "tokenizer.json has a post-processor that changes the text's own tokens"
        })
      }
      const padName = typeof pad_token === "object" ? pad_token?.content : pad_token
      const padId = (padName === undefined ? undefined : tokenizer.token_to_id(padName)) ?? padding?.pad_id ?? 0
      const encode = byWords((text) => tokenizer.encode(text, { add_special_tokens: false }).ids, file)
      return {
        ...special,
        padId,
        longest: model_max_length,
        knows: (id: number) => tokenizer.id_to_token(id) !== undefined,
        tokens: (text: string, room: number) => prefixTokens(encode, text, room)
      }
    }).pipe(
      Effect.mapError((cause) =>
        cause instanceof PluginError
          ? cause
          : new PluginError({ reason: `the tokenizer beside ${files.path} cannot be read`, cause })
      )
    )
  })
