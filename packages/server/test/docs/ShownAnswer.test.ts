import { assert, describe, it } from "@effect/vitest"
import { differences } from "./ShownAnswer.ts"

const shown = {
  request_id: "a",
  model: "sentiment",
  results: [{ prediction: "positive", scores: { positive: 0.91 }, latency_ms: 10.7, cached: false }],
  data: [{ embedding: [0.5, -0.5] }]
}

describe("differences", () => {
  it("passes what differs from call to call: ids, times, the last digits of numbers", () => {
    const got = {
      ...shown,
      request_id: "b",
      results: [{ ...shown.results[0], scores: { positive: 0.910000001 }, latency_ms: 3 }],
      data: [{ embedding: [0.49, -0.51] }]
    }
    assert.deepStrictEqual(differences(shown, got), [])
  })

  it.each([
    ["a text", { ...shown, model: "iris" }, "model: "],
    [
      "a number",
      { ...shown, results: [{ ...shown.results[0], scores: { positive: 0.92 } }] },
      "results.0.scores.positive: "
    ],
    ["a boolean", { ...shown, results: [{ ...shown.results[0], cached: true }] }, "results.0.cached: "],
    ["a field that is missing", { ...shown, results: [{ prediction: "positive" }] }, "results.0.scores: "],
    ["a field that is not shown", { ...shown, more: 1 }, "more: "],
    ["a list of another length", { ...shown, data: [] }, "data: "],
    [
      "a time that is none",
      { ...shown, results: [{ ...shown.results[0], latency_ms: "3" }] },
      "results.0.latency_ms: "
    ],
    ["no object", "sentiment", "the answer: "]
  ])("names %s", (_, got, place) => assert.include(differences(shown, got)[0], place))
})
