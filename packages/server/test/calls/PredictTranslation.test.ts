import { assert, describe, it } from "@effect/vitest"
import type { InferredItem, InferResult } from "@sluice/core/InferRequest"
import { type InferenceError, InvalidInput, MalformedRequest, ModelFailed } from "@sluice/domain/Errors"
import type { Prediction } from "@sluice/domain/Prediction"
import type { PredictRequest } from "@sluice/domain/PredictRequest"
import type { CallContext } from "@sluice/server/calls/CallContext"
import { toInferRequest, toPredictResponse } from "@sluice/server/calls/PredictTranslation"
import * as Result from "effect/Result"

const call: CallContext = { requestId: "req-1", routingKey: "key-1", cacheControl: undefined, timeoutMs: undefined }

describe("toInferRequest", () => {
  it("has one item for each of whichever kind was sent, in their order", () => {
    const items = (request: PredictRequest) => Result.map(toInferRequest(request, call), ({ input }) => input)
    assert.deepStrictEqual(
      items({ texts: ["a", ""] }),
      Result.succeed({ _tag: "Items", items: [{ _tag: "Text", text: "a" }, { _tag: "Text", text: "" }] })
    )
    assert.deepStrictEqual(
      items({ features: [[1, "x"]] }),
      Result.succeed({ _tag: "Items", items: [{ _tag: "Features", values: [1, "x"] }] })
    )
    assert.deepStrictEqual(
      items({ records: [{ a: null }] }),
      Result.succeed({ _tag: "Items", items: [{ _tag: "Record", fields: { a: null } }] })
    )
  })

  it("refuses no items, and items of two kinds", () => {
    const failure = (request: PredictRequest) =>
      Result.match(toInferRequest(request, call), { onSuccess: () => undefined, onFailure: (error) => error })
    assert.instanceOf(failure({}), MalformedRequest)
    assert.strictEqual(failure({ texts: [] })?.field, "texts")
    assert.strictEqual(failure({ texts: ["a"], records: [] })?.field, "records")
  })

  it("takes from the body what the body says, and else from the headers", () => {
    const request = (body: Partial<PredictRequest>, context: Partial<CallContext> = {}) =>
      Result.getOrThrow(toInferRequest({ texts: ["a"], ...body }, { ...call, ...context }))
    const bare = request({})
    assert.deepStrictEqual(
      [bare.model, bare.version, bare.priority, bare.timeoutMs, bare.cache, bare.routingKey],
      [undefined, undefined, "normal", undefined, "use", "key-1"]
    )
    assert.strictEqual(request({}, { timeoutMs: 50 }).timeoutMs, 50)
    assert.strictEqual(request({ timeout_ms: 20 }, { timeoutMs: 50 }).timeoutMs, 20)
    assert.strictEqual(request({ priority: "high" }).priority, "high")
    assert.strictEqual(request({}, { cacheControl: "no-cache" }).cache, "refresh")
  })
})

const inferred = (
  items: ReadonlyArray<Prediction | InferenceError>
): InferResult => ({
  model: "iris",
  version: "v1",
  precision: "fp32",
  signature: { inputs: [], outputs: [], batchable: true },
  cacheStatus: "miss",
  timings: { cache: 0, encode: 0, queue: 0, compute: 12.34567, total: 20.00049 },
  items: items.map((item): Result.Result<InferredItem, InferenceError> =>
    "_tag" in item
      ? Result.fail(item)
      : Result.succeed({ outputs: {}, prediction: item, cost: 1, cached: false, latencyMs: 1.23456 })
  )
})

const probabilities = { setosa: 0.75, virginica: 0.25 }
const common = { latency_ms: 1.235, cached: false }

const results = (items: ReadonlyArray<Prediction | InferenceError>, request: PredictRequest) =>
  Result.map(toPredictResponse(inferred(items), request, "req-1"), ({ results }) => results)

describe("toPredictResponse", () => {
  it("says what it took: milliseconds with three decimals, seconds with six", () => {
    assert.deepStrictEqual(
      toPredictResponse(inferred([{ prediction: 1 }]), { features: [[1]] }, "req-1"),
      Result.succeed({
        request_id: "req-1",
        model: "iris",
        model_version: "v1",
        results: [{ prediction: 1, ...common }],
        latency_ms: 20,
        inference_time_seconds: 0.012346,
        throughput_samples_per_sec: 50
      })
    )
  })

  it("gives a text with its scores, unless they are not wanted", () => {
    const prediction = { prediction: "setosa", probabilities }
    const expected = { text: "a", prediction: "setosa", ...common }
    assert.deepStrictEqual(
      results([prediction], { texts: ["a"] }),
      Result.succeed([{ ...expected, scores: probabilities }])
    )
    assert.deepStrictEqual(
      results([prediction], { texts: ["a"], return_probabilities: false }),
      Result.succeed([expected])
    )
  })

  it("gives a row its probabilities only where they are wanted", () => {
    const prediction = { prediction: "setosa", probabilities }
    const expected = { prediction: "setosa", ...common }
    assert.deepStrictEqual(results([prediction], { features: [[1]] }), Result.succeed([expected]))
    assert.deepStrictEqual(
      results([prediction], { features: [[1]], return_probabilities: true }),
      Result.succeed([{ ...expected, probabilities }])
    )
  })

  it("gives embeddings and a model's own outputs as they are", () => {
    assert.deepStrictEqual(
      results([{ embedding: Float32Array.of(0.5, 1) }, { outputs: { y: [1, "a", true] } }], { features: [[1], [2]] }),
      Result.succeed([{ embedding: [0.5, 1], ...common }, { outputs: { y: [1, "a", true] }, ...common }])
    )
  })

  it("fails by the first item that failed, or tells each in its place", () => {
    const error = new InvalidInput({ item: 1, detail: "no" })
    const items = [{ prediction: 1 }, error, new ModelFailed({ model: "iris", version: "v1" })]
    const request = { features: [[1], [2], [3]] }
    assert.deepStrictEqual(results(items, request), Result.fail(error))
    assert.deepStrictEqual(
      results(items, { ...request, partial: true }),
      Result.succeed([
        { prediction: 1, ...common },
        { error: { code: "invalid_input", status: 422, detail: "item 1: no" } },
        {
          error: {
            code: "model_failed",
            status: 502,
            detail: "model \"iris\" version \"v1\" failed while computing this input"
          }
        }
      ])
    )
  })

  it("takes a prediction that is no number for the model's failure: JSON has no form for it", () => {
    const strange: ReadonlyArray<Prediction> = [
      { prediction: NaN },
      { prediction: "a", probabilities: { a: Infinity } },
      { embedding: [1, NaN] },
      { outputs: { y: [1, -Infinity] } }
    ]
    for (const prediction of strange) {
      assert.deepStrictEqual(
        results([prediction], { features: [[1]] }),
        Result.fail(new ModelFailed({ model: "iris", version: "v1" }))
      )
    }
  })
})
