/**
 * What the scenarios send: rows and texts that differ from request to request, the same in every run.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { sharedFile } from "./processes/Registry.ts"
import { Skipped } from "./report/Outcome.ts"

const subjects = [
  "The film",
  "This blender",
  "Our waiter",
  "The battery",
  "Her new novel",
  "The hotel room",
  "That update"
]
const verdicts = [
  "was better than anything I had hoped for",
  "broke on the second day and nobody answered",
  "is fine, though not worth the price",
  "made me laugh until the very end",
  "keeps failing whenever it rains"
]

/** Short texts of our own, for machines without the corpora. */
const ownTexts = subjects.flatMap((subject) => verdicts.map((verdict) => `${subject} ${verdict}.`))

/** A corpus of the models that do not ship, or undefined where this machine has none. */
const corpus = (name: string): string | undefined => {
  try {
    return readFileSync(sharedFile(join("corpora", name)), "utf8")
  } catch (error) {
    if (error instanceof Skipped) return undefined
    throw error
  }
}

const lines = (text: string): ReadonlyArray<string> => text.split("\n").filter((line) => line.trim() !== "")

/** The reviews where `SLUICE_SHARED_MODELS` has them, else texts of our own; after the last the first again. */
export const reviews = (count: number): ReadonlyArray<string> => {
  const reviews = corpus("reviews.txt")
  const texts = reviews === undefined ? ownTexts : lines(reviews)
  return Array.from({ length: count }, (_, i) => texts[i % texts.length]!)
}

export interface SizedText {
  readonly text: string
  readonly tokens: number
}

/** Our own texts joined to lengths that have about the corpus' quartiles and tail; a word counts as 1.2 tokens. */
const ownMixed = (): ReadonlyArray<SizedText> =>
  Array.from({ length: 512 }, (_, i) => {
    const sentences = Math.max(1, Math.round(1.5 / (1 - (i + 0.5) / 520)))
    const text = Array.from({ length: Math.min(36, sentences) }, (_, k) => ownTexts[(i + k * 3) % ownTexts.length]!)
      .join(" ")
    return { text, tokens: Math.round(text.split(" ").length * 1.2) + 2 }
  })

/**
 * Every `size / count`th of the values in ascending order, in an order in which any stretch has nearly the mean of all:
 * steps by the golden section. A short run and a long one then measure the same mixture.
 */
export const evenlyMixed = <A>(ascending: ReadonlyArray<A>, count: number): ReadonlyArray<A> => {
  const golden = (Math.sqrt(5) - 1) / 2
  return Array.from({ length: count }, (_, i) => ({ rank: i, order: (i * golden) % 1 }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ rank }) => ascending[Math.floor(((rank + 0.5) / count) * ascending.length)]!)
}

/** Texts of 5 to about 400 tokens, most of them short. */
export const mixedLengths = (count: number): ReadonlyArray<SizedText> => {
  const text = corpus("mixed-lengths.jsonl")
  const texts = text === undefined ? ownMixed() : lines(text).map((line): SizedText => JSON.parse(line))
  return evenlyMixed(texts.toSorted((a, b) => a.tokens - b.tokens), count)
}

/** Rows in the range of the breast-cancer features, by a fixed formula. */
export const featureRows = (count: number): ReadonlyArray<ReadonlyArray<number>> =>
  Array.from(
    { length: count },
    (_, i) => Array.from({ length: 30 }, (_, k) => Number((Math.abs(Math.sin(i * 31 + k)) * 40 + 0.1).toFixed(3)))
  )

/** A predict call of one text. */
export const textBody = (text: string): string => JSON.stringify({ model: "embeddings", texts: [text] })

/** An Open Inference Protocol call of one row. */
export const rowBody = (input: string, row: ReadonlyArray<number>): string =>
  JSON.stringify({ inputs: [{ name: input, shape: [1, row.length], datatype: "FP32", data: row }] })
