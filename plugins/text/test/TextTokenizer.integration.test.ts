/**
 * Tokenising only as much of a text as its tokens need, with MiniLM's tokenizer.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { readTokenizer } from "../src/TextTokenizer.ts"
import { contextOf, shippedModel, tokenizerCases } from "./Goldens.ts"

const word = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
  fc.constantFrom(
    "wonderful",
    "unbelievably",
    "[SEP]",
    "don't",
    "这部电影非常好看",
    "👨‍👩‍👧‍👦",
    "x".repeat(99),
    "y".repeat(101),
    "\ud800"
  ),
  fc.constantFrom(...tokenizerCases.map(({ text }) => text.slice(0, 200)))
)

const separator = fc.constantFrom(" ", "  ", "\n", "\t", "\u00a0", "\u3000", "", "-", " \u0301")

const text = fc.array(fc.tuple(word, separator), { maxLength: 120 }).map((parts) => parts.flat().join(""))

describe("tokens", () => {
  it.effect("are those of the whole text, as far as they are asked for", () =>
    Effect.gen(function*() {
      const { tokens } = yield* readTokenizer(contextOf(shippedModel).files)
      fc.assert(
        fc.property(text, fc.integer({ min: 1, max: 60 }), (text, room) => {
          const whole = tokens(text, Infinity).ids
          const part = tokens(text, room)
          assert.deepStrictEqual(part.ids.slice(0, room), whole.slice(0, room))
          if (part.exhausted) assert.strictEqual(part.ids.length, whole.length)
          else assert.isAbove(part.ids.length, room)
        }),
        { numRuns: 300 }
      )
    }))

  it.effect("of a text of a million characters are found in its beginning", () =>
    Effect.gen(function*() {
      const { tokens } = yield* readTokenizer(contextOf(shippedModel).files)
      const room = 254
      for (const unit of ["good film ", "电影", "x", " ", "\u0301", "!", "a "]) {
        const long = unit.repeat(1_000_000 / unit.length)
        const beginning = tokens(long, room)
        assert.isBelow(beginning.ids.length, 8 * room)
        const sixteenth = tokens(long.slice(0, 62_500), room)
        assert.deepStrictEqual(beginning.ids.slice(0, room), sixteenth.ids.slice(0, room))
      }
    }))
})
