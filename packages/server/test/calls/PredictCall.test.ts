import { assert, describe, it } from "@effect/vitest"
import type { InferredItem, InferResult } from "@sluice/core/InferRequest"
import { type InferenceError, InvalidInput, Overloaded } from "@sluice/domain/Errors"
import type { Prediction } from "@sluice/domain/Prediction"
import type { PredictRequest } from "@sluice/domain/PredictRequest"
import { predictText } from "@sluice/server/calls/PredictCall"
import { toPredictResponse } from "@sluice/server/calls/PredictTranslation"
import type { TextWriter } from "@sluice/server/calls/SurfaceCall"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const wholeText = (writer: TextWriter): Result.Result<string, unknown> => {
  let text = ""
  for (;;) {
    const step = writer.next()
    if (step.done === true) return Result.map(step.value, (last) => text + last)
    text += step.value
  }
}

const number = fc.oneof({ weight: 30, arbitrary: fc.double({ noNaN: true }) }, {
  weight: 1,
  arbitrary: fc.constant(NaN)
})
const value = fc.oneof(number, fc.string({ unit: "binary" }), fc.boolean())
const floats = fc.array(fc.float({ noNaN: true }), { maxLength: 4 })

/** FP32 values have fewer digits in the text than as the doubles that RPC has. */
const inFp32 = (text: string): unknown =>
  JSON.parse(text, (key, value) => key === "embedding" ? value.map(Math.fround) : value)
const sameText = (text: Result.Result<string, unknown>, expected: Result.Result<string, unknown>): void =>
  assert.deepStrictEqual(Result.map(text, inFp32), Result.map(expected, inFp32))

const prediction: fc.Arbitrary<Prediction> = fc.record({
  prediction: value,
  probabilities: fc.dictionary(fc.string(), number, { maxKeys: 3 }),
  embedding: fc.oneof(floats, floats.map((values) => Float32Array.from(values))),
  outputs: fc.dictionary(fc.string(), fc.array(value, { maxLength: 3 }), { maxKeys: 2 })
}, { requiredKeys: [] })

const milliseconds = fc.double({ min: 0, max: 1e6, noNaN: true })

const item: fc.Arbitrary<Result.Result<InferredItem, InferenceError>> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      outputs: fc.constant({}),
      prediction: fc.option(prediction, { nil: undefined }),
      cost: fc.constant(1),
      cached: fc.boolean(),
      latencyMs: milliseconds
    }).map(Result.succeed)
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      new InvalidInput({ detail: "no \"good\"" }),
      new Overloaded({ model: "m", version: "v", retryAfterMs: 5 })
    ).map(Result.fail)
  }
)

const results: fc.Arbitrary<InferResult> = fc.record({
  model: fc.string(),
  version: fc.string(),
  precision: fc.constant("fp32"),
  signature: fc.constant({ inputs: [], outputs: [], batchable: true }),
  cacheStatus: fc.constant("miss"),
  timings: fc.record({
    cache: milliseconds,
    encode: milliseconds,
    queue: milliseconds,
    compute: milliseconds,
    total: milliseconds
  }),
  items: fc.array(item, { maxLength: 6 })
})

const requests: fc.Arbitrary<PredictRequest> = fc.record({
  texts: fc.array(fc.string({ unit: "binary" }), { minLength: 6, maxLength: 6 }),
  return_probabilities: fc.boolean(),
  partial: fc.boolean()
}, { requiredKeys: [] })

describe("predictText", () => {
  it("is the JSON of the response that RPC gives", () => {
    fc.assert(fc.property(results, requests, fc.string(), (result, request, requestId) => {
      sameText(
        wholeText(predictText(result, request, requestId)),
        Result.map(toPredictResponse(result, request, requestId), (response) => JSON.stringify(response))
      )
    }))
  })

  it("comes in pieces where it is long", () => {
    const [one] = fc.sample(item.filter(Result.isSuccess), 1)
    const [result] = fc.sample(results, 1)
    const long = { ...result!, items: Array.from({ length: 10_000 }, () => one!) }
    const request = { features: [], partial: true }
    const writer = predictText(long, request, "id")
    let pieces = 0
    for (const piece of writer) {
      pieces++
      assert.isBelow(piece.length, 20_000)
    }
    assert.isAbove(pieces, 10)
    sameText(
      wholeText(predictText(long, request, "id")),
      Result.map(toPredictResponse(long, request, "id"), (response) => JSON.stringify(response))
    )
  })
})
