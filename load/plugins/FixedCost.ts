/**
 * A stand-in for a model on a GPU: a wide table in, a fixed cost for each run, little for each row, and the cores free
 * meanwhile. Its answer is the sum of a row, so that it can be checked.
 */
import { definePlugin, type Model, type ModelSignature, PluginError, type TensorMap } from "@sluice/plugin-sdk"
import { signatureMismatch } from "@sluice/plugin-sdk/SignatureCheck"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export const width = 64
export const fixedMs = 5
export const rowMs = 0.02
export const fullBatch = 32

const signature: ModelSignature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, width] }],
  outputs: [{ name: "sum", datatype: "FP32", shape: [-1, 1] }],
  batchable: true
}

const never = new Int32Array(new SharedArrayBuffer(4))

/** Sleeps to within about 0.1 ms, as a thread does that waits for a device. */
const wait = (milliseconds: number): void => {
  Atomics.wait(never, 0, 0, milliseconds)
}

/** Computes the rows that lie one after another in `x`. */
export const computeBatch = (x: Float32Array): Float32Array<ArrayBuffer> => {
  const rows = x.length / width
  wait(fixedMs + rows * rowMs)
  return Float32Array.from({ length: rows }, (_, row) => {
    let sum = 0
    for (let column = 0; column < width; column++) sum += x[row * width + column]!
    return sum
  })
}

/** Fails on other inputs, and once the model has been released. */
const load = Effect.gen(function*() {
  let isReleased = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isReleased = true
    })
  )
  const run: Model["run"] = (inputs) =>
    Effect.suspend(() => {
      const mismatch = isReleased ? "released" : signatureMismatch("input", signature.inputs, inputs)
      const data = inputs["x"]?.data
      if (mismatch !== undefined || !(data instanceof Float32Array)) {
        return Effect.fail(new PluginError({ reason: mismatch ?? "x is not FP32" }))
      }
      const sums = computeBatch(data)
      return Effect.succeed({ sum: { datatype: "FP32", shape: [sums.length, 1], data: sums } } satisfies TensorMap)
    })
  return { signature, run } satisfies Model
})

export default definePlugin({
  name: "fixed-cost",
  options: Schema.Struct({}),
  serving: { instances: 1, threads: 1, maxBatchSize: fullBatch },
  load: () => load
})
