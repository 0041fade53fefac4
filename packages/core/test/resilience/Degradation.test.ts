import { assert, describe, it } from "@effect/vitest"
import type { Answered, InferredItem, InferRequest, InferResult } from "@sluice/core/InferRequest"
import {
  canStandIn,
  defaultResult,
  fallbackRequest,
  markedFallback,
  remediesFor,
  type Unavailable,
  unavailableIn
} from "@sluice/core/resilience/Degradation"
import type { DegradationEntry } from "@sluice/core/resilience/DegradationEntry"
import {
  CircuitOpen,
  DeadlineExceeded,
  type InferenceError,
  InstanceLost,
  InvalidInput,
  MalformedRequest,
  ModelFailed,
  ModelNotFound,
  ModelNotReady,
  Overloaded,
  VersionNotFound
} from "@sluice/domain/Errors"
import type { ItemKind } from "@sluice/domain/Item"
import type { Datatype } from "@sluice/domain/Tensor"
import * as Result from "effect/Result"

const ids = { model: "m", version: "v2" }
const open = new CircuitOpen({ ...ids, retryAfterMs: 5_000 })
const notReady = new ModelNotReady({ ...ids, state: "loading", retryAfterMs: 1_000 })
const overloaded = new Overloaded({ ...ids, retryAfterMs: 100 })
const lost = new InstanceLost({ ...ids, retryAfterMs: 100 })
const failed = new ModelFailed(ids)
const late = new DeadlineExceeded({ timeoutMs: 100 })

const fallback = { kind: "fallback", model: "m", version: "v1" } as const
const standing = { kind: "default", prediction: { prediction: "neutral" } } as const
const both: DegradationEntry = { stale: true, remedies: [fallback, standing] }

const request = (rest: Partial<InferRequest> = {}): InferRequest => ({
  model: "m",
  version: undefined,
  routingKey: "caller",
  input: { _tag: "Items", items: [{ _tag: "Text", text: "a" }, { _tag: "Text", text: "b" }] },
  cache: "use",
  priority: "normal",
  timeoutMs: undefined,
  ...rest
})
const tensors = request({ input: { _tag: "Tensors", tensors: {} } })

const item: InferredItem = { outputs: {}, prediction: { prediction: "good" }, cost: 1, cached: false, latencyMs: 1 }
const resultOf = (...items: InferResult["items"]): InferResult => ({
  ...ids,
  precision: "fp32",
  signature: { inputs: [], outputs: [], batchable: true },
  items,
  cacheStatus: "miss",
  timings: { cache: 0, encode: 0, queue: 0, compute: 0, total: 1 }
})
const good = Result.succeed(item)
const given = (...items: InferResult["items"]): Answered => Result.succeed(resultOf(...items))

describe("unavailableIn", () => {
  it.each<readonly [string, Answered, Unavailable | undefined]>([
    ["an open circuit", Result.fail(open), open],
    ["a version that loads", Result.fail(notReady), notReady],
    ["a full queue", Result.fail(overloaded), overloaded],
    ["a passed deadline", Result.fail(late), late],
    ["an item whose instance ended", given(good, Result.fail(lost)), lost],
    ["an item that the model failed on", given(good, Result.fail(failed)), failed],
    ["one that it failed on, and one that ended an instance", given(Result.fail(failed), Result.fail(lost)), lost],
    ["an answer", given(good, good), undefined],
    ["an item that is bad", given(good, Result.fail(new InvalidInput({ detail: "too long" }))), undefined]
  ])("of %s", (_, answered, expected) => assert.strictEqual(unavailableIn(answered, request()), expected))

  it.each<InferenceError>([
    new MalformedRequest({ detail: "no items" }),
    new InvalidInput({ detail: "no" }),
    new ModelNotFound({ model: "m" }),
    new VersionNotFound(ids)
  ])("is not what %s says", (error) => assert.isUndefined(unavailableIn(Result.fail(error), request())))

  it("is not that a model failed on tensors, which nothing has checked", () =>
    assert.isUndefined(unavailableIn(given(Result.fail(failed)), tensors)))

  it("is no single failure for who takes partial results, but that of all items", () => {
    const partial = request({ partial: true })
    assert.isUndefined(unavailableIn(given(good, Result.fail(failed)), partial))
    assert.strictEqual(unavailableIn(given(Result.fail(failed), Result.fail(failed)), partial), failed)
    assert.strictEqual(unavailableIn(given(good, Result.fail(lost)), partial), lost)
  })
})

describe("remediesFor", () => {
  const kinds = (error: Unavailable, asked = request(), entry = both) =>
    remediesFor(entry, asked, error).map(({ kind }) => kind)

  it("are tried in the order of the entry", () => {
    assert.deepStrictEqual(kinds(open), ["fallback", "default"])
    assert.deepStrictEqual(kinds(open, request(), { ...both, remedies: [standing, fallback] }), ["default", "fallback"])
  })

  it("are no other model where an item may end its instances too, or no time is left", () => {
    assert.deepStrictEqual(kinds(lost), ["default"])
    assert.deepStrictEqual(kinds(late), ["default"])
    assert.deepStrictEqual(kinds(overloaded), ["fallback", "default"])
  })

  it("are no default for tensors, and nothing for who names a version", () => {
    assert.deepStrictEqual(kinds(open, tensors), ["fallback"])
    assert.deepStrictEqual(kinds(open, request({ version: "v2" })), [])
  })
})

describe("fallbackRequest", () => {
  const ask = (rest: Partial<InferRequest>, elapsedMs = 0, version = "v1", error: Unavailable = open) =>
    fallbackRequest(fallback, version, request(rest), error, elapsedMs)

  it("has the time that is left, and names the version", () => {
    assert.deepStrictEqual(ask({ timeoutMs: 1_000 }, 300), request({ version: "v1", timeoutMs: 700 }))
    assert.deepStrictEqual(ask({}), request({ version: "v1" }))
  })

  it("is none without time, or to the version that failed", () => {
    assert.isUndefined(ask({ timeoutMs: 300 }, 300))
    assert.isUndefined(ask({}, 0, "v2"))
    assert.isDefined(ask({}, 0, "v2", new CircuitOpen({ model: "other", version: "v2", retryAfterMs: 1 })))
  })
})

describe("canStandIn", () => {
  const takes = (accepts: ReadonlyArray<ItemKind>, datatype: Datatype = "FP32", width = 4) => ({
    codec: { accepts },
    signature: {
      inputs: [{ name: "x", datatype, shape: [-1, width] }],
      outputs: [{ name: "y", datatype: "FP32" as const, shape: [-1, 1] }],
      batchable: true
    }
  })

  it("goes by the kind of natural items", () => {
    assert.isTrue(canStandIn(request().input, takes(["Text"], "INT64"), takes(["Text"])))
    assert.isFalse(canStandIn(request().input, takes(["Features", "Record"]), undefined))
  })

  it("goes by the signature for tensors, where it is known", () => {
    assert.isTrue(canStandIn(tensors.input, takes([]), takes([])))
    assert.isTrue(canStandIn(tensors.input, takes([], "FP32", -1), takes([])))
    assert.isFalse(canStandIn(tensors.input, takes([], "FP64"), takes([])))
    assert.isFalse(canStandIn(tensors.input, takes([], "FP32", 5), takes([])))
    assert.isTrue(canStandIn(tensors.input, takes([], "FP64"), undefined))
  })
})

describe("what is answered", () => {
  it("says which version stood in, and is nothing where it failed too", () => {
    assert.deepStrictEqual(markedFallback(given(good))?.degraded, { kind: "fallback", ...ids })
    assert.isUndefined(markedFallback(Result.fail(open)))
    assert.isUndefined(markedFallback(given(good, Result.fail(new InvalidInput({ detail: "no" })))))
  })

  const asked = { ...ids, precision: "int8" as const }
  const byDefault = (answered: Answered) =>
    defaultResult(standing.prediction, { request: request(), answered, asked, elapsedMs: 3 })
  const predictions = ({ items }: InferResult) =>
    items.map((each) => Result.isSuccess(each) ? each.success.prediction?.prediction : each.failure._tag)

  it("is the registry's for every item", () => {
    const result = byDefault(Result.fail(open))
    assert.deepStrictEqual(predictions(result), ["neutral", "neutral"])
    assert.deepInclude(result, { ...asked, degraded: { kind: "default" }, cacheStatus: "bypass" })
  })

  it("is the registry's for the items that were lost only", () => {
    const bad = Result.fail(new InvalidInput({ detail: "no" }))
    const result = byDefault(given(good, Result.fail(lost), bad))
    assert.deepStrictEqual(predictions(result), ["good", "neutral", "InvalidInput"])
    assert.deepStrictEqual(result.degraded, { kind: "default" })
  })
})
