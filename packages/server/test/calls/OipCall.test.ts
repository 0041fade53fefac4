import { assert, describe, it } from "@effect/vitest"
import type { OipInferRequest } from "@sluice/api/OipApi"
import type { InferResult } from "@sluice/core/InferRequest"
import type { Tensor } from "@sluice/domain/Tensor"
import { stackRows } from "@sluice/plugin-sdk/TensorRows"
import type { CallContext } from "@sluice/server/calls/CallContext"
import { oipCall } from "@sluice/server/calls/OipCall"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const context: CallContext = { requestId: "req-1", routingKey: "key-1", cacheControl: undefined, timeoutMs: undefined }

const body: OipInferRequest = { inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }] }

const callOf = (parameters: Readonly<Record<string, string | number | boolean>>) =>
  Result.map(oipCall("iris", undefined)({ ...body, parameters }, context), ({ request }) => request)

const requestOf = (parameters: Readonly<Record<string, string | number | boolean>>) =>
  Result.getOrThrow(callOf(parameters))

const refusedField = (parameters: Readonly<Record<string, string | number | boolean>>) =>
  Result.match(callOf(parameters), {
    onSuccess: () => undefined,
    onFailure: (error) => error._tag === "MalformedRequest" ? error.field : error._tag
  })

const float = (shape: ReadonlyArray<number>, values: ReadonlyArray<number>): Tensor => ({
  datatype: "FP32",
  shape,
  data: Float32Array.from(values)
})

const resultOf = (rows: ReadonlyArray<Readonly<Record<string, Tensor>>>): InferResult => ({
  model: "m",
  version: "v1",
  precision: "fp32",
  signature: {
    inputs: [],
    outputs: Object.entries(rows[0] ?? {}).map(([name, { datatype, shape }]) => ({ name, datatype, shape })),
    batchable: true
  },
  cacheStatus: "miss",
  timings: { cache: 0, encode: 0, queue: 0, compute: 0, total: 0 },
  items: rows.map((outputs) => Result.succeed({ outputs, prediction: undefined, cost: 1, cached: false, latencyMs: 0 }))
})

/** Numbers of FP32 outputs as a client takes them: of that width. The shapes are whole numbers, which it holds as well. */
const read = (text: string): unknown =>
  JSON.parse(text, (_, value) => typeof value === "number" ? Math.fround(value) : value)

const written = (result: InferResult, request = body) => {
  const writer = Result.getOrThrow(oipCall("m", undefined)(request, context)).write(result)
  const pieces: Array<string> = []
  for (;;) {
    const step = writer.next()
    if (step.done !== true) pieces.push(step.value)
    else return { pieces, text: Result.map(step.value, (last) => read(pieces.join("") + last)) }
  }
}

describe("parameters", () => {
  it("read a priority as Triton does, or by its name", () => {
    for (const [given, priority] of [[0, "normal"], [1, "high"], [2, "normal"], [3, "low"], [4e9, "low"]] as const) {
      assert.strictEqual(requestOf({ priority: given }).priority, priority)
    }
    for (const priority of ["high", "normal", "low"] as const) {
      assert.strictEqual(requestOf({ priority }).priority, priority)
    }
    assert.strictEqual(requestOf({}).priority, "normal")
    for (const priority of [-1, 1.5, "urgent", "1", true]) {
      assert.strictEqual(refusedField({ priority }), "parameters.priority", String(priority))
    }
  })

  it("ask for each item to be computed by itself", () => {
    assert.deepStrictEqual(
      [{}, { consistent: false }, { consistent: true }].map((given) => requestOf(given).consistent),
      [false, false, true]
    )
    for (const consistent of ["true", 1]) assert.strictEqual(refusedField({ consistent }), "parameters.consistent")
  })

  it("give a timeout in microseconds", () => {
    assert.deepStrictEqual([1, 1000, 1001, 1e18].map((timeout) => requestOf({ timeout }).timeoutMs), [
      1,
      1,
      2,
      3_600_000
    ])
    assert.isUndefined(requestOf({ timeout: 0 }).timeoutMs)
    for (const timeout of [-5, "5"]) assert.strictEqual(refusedField({ timeout }), "parameters.timeout")
  })
})

describe("an answer", () => {
  it("has the rows stacked, and filled up where they differ", () => {
    const row = fc.integer({ min: 1, max: 2 }).chain((width) =>
      fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: width, maxLength: width }).map((
        values
      ) => ({
        y: float([1, width], values.map((value) => value === 0 ? 0 : value)),
        z: { datatype: "BYTES" as const, shape: [1], data: [String(width)] }
      }))
    )
    fc.assert(fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
      const stacked = stackRows(rows)
      assert.deepStrictEqual(
        written(resultOf(rows)).text,
        Result.succeed({
          model_name: "m",
          model_version: "v1",
          outputs: Object.entries(stacked).map(([name, { data, datatype, shape }]) => ({
            name,
            shape,
            datatype,
            data: Array.from<unknown>(data)
          }))
        })
      )
    }))
  })

  it("comes in pieces where it is long, of many rows or of one", () => {
    const values = Array.from({ length: 20_000 }, (_, i) => i / 7)
    const many = written(resultOf(values.map((value) => ({ y: float([1, 1], [value]) }))))
    const one = written(resultOf([{ y: float([1, 20_000], values) }]))
    for (const { pieces } of [many, one]) {
      assert.isAbove(pieces.length, 5)
      for (const piece of pieces) assert.isBelow(piece.length, 40_000)
    }
    const data = Array.from(Float32Array.from(values))
    const answer = (shape: ReadonlyArray<number>) => ({
      model_name: "m",
      model_version: "v1",
      outputs: [{ name: "y", shape, datatype: "FP32", data }]
    })
    assert.deepStrictEqual(many.text, Result.succeed<unknown>(answer([20_000, 1])))
    assert.deepStrictEqual(one.text, Result.succeed<unknown>(answer([1, 20_000])))
  })

  it("is the model's failure where an element is no number, however late it comes", () => {
    const rows = Array.from({ length: 5000 }, (_, i) => ({ y: float([1, 1], [i === 4999 ? NaN : i]) }))
    const { text } = written(resultOf(rows))
    assert.isTrue(Result.isFailure(text) && text.failure._tag === "ModelFailed")
  })
})
