/**
 * The tokens of words that were seen before. A BERT tokenizer splits at spaces and punctuation and tokenises each word
 * by itself, so that the tokens of a plain English text are those of its words: a lookup each, in place of a pipeline of
 * regular expressions over the whole text. What a word's tokens are, the tokenizer alone decides.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** What of a tokenizer.json says that words are tokenised by themselves. */
const ByWords = Schema.Struct({
  normalizer: Schema.Struct({ type: Schema.Literal("BertNormalizer") }),
  pre_tokenizer: Schema.Struct({ type: Schema.Literal("BertPreTokenizer") }),
  model: Schema.Struct({ type: Schema.Literal("WordPiece") }),
  added_tokens: Schema.optionalKey(Schema.Array(Schema.Struct({ content: Schema.String })))
})

const decodeByWords = Schema.decodeUnknownOption(ByWords)

type Encode = (text: string) => ReadonlyArray<number>

/** More than a language's common words; about 2 MB. */
const mostWords = 20_000
/** Longer ones are rare, and seldom come again. */
const longestWord = 32

const [other, space, letter, mark] = [0, 1, 2, 3]

/** What each ASCII character is to BERT's pre-tokenizer. Control characters are left to the tokenizer itself. */
const kinds = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code)
  if (/[ \t\n\r]/.test(character)) return space
  if (/[A-Za-z0-9]/.test(character)) return letter
  return code > 32 && code < 127 ? mark : other
})

/** A copy: a part of a text would keep the whole text in memory. */
const copyOf = (word: string): string => Buffer.from(word, "latin1").toString("latin1")

/**
 * `encode` by words where the tokenizer.json in `file` allows it, else `encode` itself. Texts with other characters than
 * ASCII's, and those that may hold an added token such as [MASK], go the tokenizer's own way.
 */
export const byWords = (encode: Encode, file: unknown): Encode => {
  const decoded = decodeByWords(file)
  if (Option.isNone(decoded)) return encode
  const kindOf = Uint8Array.from(kinds)
  for (const { content } of decoded.value.added_tokens ?? []) {
    const first = content.charCodeAt(0)
    if (first < kindOf.length) kindOf[first] = other
  }
  const known = new Map<string, ReadonlyArray<number>>()

  const tokensOf = (word: string): ReadonlyArray<number> => {
    const found = known.get(word)
    if (found !== undefined) return found
    const tokens = encode(word)
    if (word.length <= longestWord) {
      if (known.size >= mostWords) known.clear()
      known.set(copyOf(word), tokens)
    }
    return tokens
  }

  return (text) => {
    const ids: Array<number> = []
    const { length } = text
    let from = 0
    while (from < length) {
      const kind = kindOf[text.charCodeAt(from)] ?? other
      if (kind === other) return encode(text)
      let end = from + 1
      if (kind === letter) { while (end < length && kindOf[text.charCodeAt(end)] === letter) end++ }
      if (kind !== space) { for (const id of tokensOf(text.slice(from, end))) ids.push(id) }
      from = end
    }
    return ids
  }
}
