/**
 * Tokens by words against MiniLM's tokenizer itself.
 */
import { assert, describe, it } from "@effect/vitest"
import { Tokenizer } from "@huggingface/tokenizers"
import * as fc from "fast-check"
import { readFileSync } from "node:fs"
import { byWords } from "../src/WordCache.ts"
import { contextOf, shippedModel, tokenizerCases } from "./Goldens.ts"

const path = contextOf(shippedModel).files.beside("tokenizer.json")!
const file = JSON.parse(readFileSync(path, "utf8"))

const makeEncode = () => {
  const tokenizer = new Tokenizer(file, {})
  const calls: Array<string> = []
  const encode = (text: string): ReadonlyArray<number> => {
    calls.push(text)
    return tokenizer.encode(text, { add_special_tokens: false }).ids
  }
  return { calls, encode }
}

const part = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[A-Za-z0-9]{1,12}$/) },
  { weight: 3, arbitrary: fc.string({ maxLength: 6 }) },
  fc.constantFrom(
    "[MASK]",
    "[sep]",
    "don't",
    "e-mail",
    "3.14",
    "x".repeat(120),
    "\u0001",
    "\x7f",
    "caf\u00e9",
    "\u00a0"
  ),
  fc.constantFrom(...tokenizerCases.map(({ text }) => text.slice(0, 200)))
)
const separator = fc.constantFrom(" ", "  ", "\n", "\t", "\r\n", "", "\v", "\f")
const text = fc.array(fc.tuple(part, separator), { maxLength: 20 }).map((parts) => parts.flat().join(""))

describe("byWords", () => {
  it("gives the tokens that the whole text has", () => {
    const { encode } = makeEncode()
    const fast = byWords(encode, file)
    fc.assert(fc.property(text, (text) => assert.deepStrictEqual(fast(text), encode(text))), { numRuns: 1000 })
  })

  it("asks for each word once", () => {
    const { calls, encode } = makeEncode()
    const fast = byWords(encode, file)
    fast("a good film, a film!")
    fast("good film")
    assert.deepStrictEqual(calls, ["a", "good", "film", ",", "!"])
  })

  it("leaves texts that are not plain to the tokenizer", () => {
    const { calls, encode } = makeEncode()
    const fast = byWords(encode, file)
    const texts = ["na\u00efve", "a [MASK] here", "tab\u0001"]
    for (const text of texts) fast(text)
    assert.deepStrictEqual(calls.filter((call) => texts.includes(call)), texts)
  })

  it("leaves a tokenizer that does not split into words alone", () => {
    const { encode } = makeEncode()
    for (const other of [{ ...file, normalizer: null }, { ...file, pre_tokenizer: { type: "Metaspace" } }, undefined]) {
      assert.strictEqual(byWords(encode, other), encode)
    }
  })
})
