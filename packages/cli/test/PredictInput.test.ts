/**
 * From what was typed or piped to requests.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { callsOf, ofJson, ofJsonText, ofStandardInput, type PredictBody } from "../src/predict/PredictInput.ts"

describe("JSON", () => {
  const understood: ReadonlyArray<readonly [json: unknown, body: PredictBody]> = [
    [["a", "b"], { texts: ["a", "b"] }],
    ["a", { texts: ["a"] }],
    [[[1, 2], [3, null]], { features: [[1, 2], [3, null]] }],
    [[1, 2], { features: [[1, 2]] }],
    [["red", 2, true], { features: [["red", 2, true]] }],
    [[{ age: 3 }, { age: 4 }], { records: [{ age: 3 }, { age: 4 }] }],
    [{ age: 3, sex: "f" }, { records: [{ age: 3, sex: "f" }] }],
    // A feature may be called as a field of a request is.
    [{ texts: 3 }, { records: [{ texts: 3 }] }],
    [{ texts: ["a"], use_cache: false }, { texts: ["a"], use_cache: false }],
    // Which model is for the command line to say.
    [{ model: "other", model_version: "v2", id: "r-1", features: [[1]] }, { features: [[1]] }]
  ]

  it.each(understood)("%j is a request", (json, body) => {
    assert.deepStrictEqual(ofJson(json), Result.succeed(body))
  })

  const refused: ReadonlyArray<readonly [json: unknown, reason: RegExp]> = [
    [[], /no items/],
    [3, /expected texts, lists of features or records/],
    [null, /expected texts/],
    [["a", [1]], /item 1 is not a text, as item 0 is/],
    [[[1], { age: 3 }], /item 1 is not a list of features, as item 0 is/],
    [[[1, [2]]], /features\.0\.1/],
    [{ age: { years: 3 } }, /records\.0\.age/],
    [{ texts: ["a"], timeout_ms: "soon" }, /timeout_ms/]
  ]

  it.each(refused)("%j is none", (json, reason) => {
    const parsed = ofJson(json)
    assert.isTrue(Result.isFailure(parsed))
    if (Result.isFailure(parsed)) assert.match(parsed.failure, reason)
  })

  it("that is broken or empty is named as such", () => {
    assert.deepStrictEqual(ofJsonText(" \n"), Result.fail("it is empty"))
    const broken = ofJsonText("[1, 2")
    assert.match(Result.isFailure(broken) ? broken.failure : "", /^it is not JSON: /)
  })
})

describe("standard input", () => {
  const understood: ReadonlyArray<readonly [input: string, body: PredictBody]> = [
    ["good\n\nbad\r\n", { texts: ["good", "bad"] }],
    ["[[1, 2],\n [3, 4]]\n", { features: [[1, 2], [3, 4]] }],
    ["[1, 2]\n[3, 4]\n", { features: [[1, 2], [3, 4]] }],
    ["{\"age\": 3}\n{\"age\": 4}\n", { records: [{ age: 3 }, { age: 4 }] }],
    // What only looks like JSON is a text.
    ["42\n", { texts: ["42"] }],
    ["\"quoted\"", { texts: ["\"quoted\""] }],
    ["[sarcasm] great\n", { texts: ["[sarcasm] great"] }],
    ["[1, 2]\nand a text\n", { texts: ["[1, 2]", "and a text"] }]
  ]

  it.each(understood)("%j is understood", (input, body) => {
    assert.deepStrictEqual(ofStandardInput(input), Result.succeed(body))
  })

  it("without a line is refused", () => {
    assert.deepStrictEqual(ofStandardInput("\n \n"), Result.fail("standard input is empty"))
  })
})

describe("the calls of a body", () => {
  it("carry every item once, in order, with its place", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 1100 }), (count) => {
      const texts = Array.from({ length: count }, (_, index) => `text ${index}`)
      const calls = callsOf({ texts, use_cache: false })
      assert.deepStrictEqual(calls.flatMap(({ body }) => body.texts ?? []), texts)
      for (const { body, offset } of calls) {
        assert.strictEqual(body.texts?.[0], texts[offset])
        assert.isAtMost(body.texts?.length ?? 0, 256)
        assert.isFalse(body.use_cache)
      }
    }))
  })

  it("leave a request of two kinds, or of none, to the server to refuse", () => {
    const both = { texts: ["a"], features: [[1]] }
    assert.deepStrictEqual(callsOf(both), [{ body: both, offset: 0 }])
    assert.deepStrictEqual(callsOf({}), [{ body: {}, offset: 0 }])
    assert.deepStrictEqual(callsOf({ texts: [] }), [{ body: { texts: [] }, offset: 0 }])
  })
})
