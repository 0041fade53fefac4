/**
 * A plugin without a model file, to prove the conformance suite on: y = scale · x for rows of two numbers.
 */
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"
import { type Codec, definePlugin, InvalidItem, type Model, PluginError } from "@sluice/plugin-sdk"
import type { ConformanceSubject } from "@sluice/plugin-sdk/Conformance"
import { signatureMismatch } from "@sluice/plugin-sdk/SignatureCheck"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

export const DoublingOptions = Schema.Struct({ scale: Schema.Finite })
export type DoublingOptions = typeof DoublingOptions.Type

export const signature = {
  inputs: [{ name: "x", datatype: "FP32" as const, shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32" as const, shape: [-1, 2] }],
  batchable: true
}

export const numbers = (tensor: Tensor | undefined): ReadonlyArray<number> => Array.from(tensor?.data as Float32Array)

export const scaled = (inputs: TensorMap, scale: number): TensorMap => {
  const x = inputs["x"]!
  return { y: { datatype: "FP32", shape: x.shape, data: Float32Array.from(numbers(x), (value) => value * scale) } }
}

export const codec: Codec = {
  accepts: ["Features"],
  encode: (item) =>
    item._tag === "Features" && item.values.length === 2
      ? Result.succeed({ x: { datatype: "FP32", shape: [1, 2], data: Float32Array.from(item.values, Number) } })
      : Result.fail(new InvalidItem({ detail: "expected two numbers" })),
  decode: (outputs) => ({ outputs: { y: numbers(outputs["y"]) } })
}

const load = (options: DoublingOptions): Model => ({
  signature,
  run: (inputs) =>
    Effect.suspend(() => {
      const mismatch = signatureMismatch("input", signature.inputs, inputs)
      return mismatch === undefined
        ? Effect.succeed(scaled(inputs, options.scale))
        : Effect.fail(new PluginError({ reason: mismatch }))
    })
})

/** A model whose `run` fails once its scope has closed. */
export const releasable = (model: Model) =>
  Effect.gen(function*() {
    let released = false
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        released = true
      })
    )
    const run: Model["run"] = (inputs) =>
      Effect.suspend(() => (released ? Effect.fail(new PluginError({ reason: "released" })) : model.run(inputs)))
    return { ...model, run }
  })

export const plugin = definePlugin({
  name: "doubling",
  options: DoublingOptions,
  load: (_, options) => releasable(load(options)),
  codec: () => Effect.succeed(codec)
})

export type Subject = ConformanceSubject<DoublingOptions, DoublingOptions>

export const subject: Subject = {
  plugin,
  path: "doubling.model",
  options: { scale: 2 },
  invalidOptions: [{ options: { scale: "two" }, path: ["scale"] }, { options: {}, path: ["scale"] }],
  items: [{ _tag: "Features", values: [1, 2] }, { _tag: "Features", values: [3, -4] }],
  invalidItems: [{ _tag: "Features", values: [1] }]
}

/** The good subject with another model in it. */
export const withModel = (change: (model: Model) => Model): Subject => ({
  ...subject,
  plugin: { ...plugin, load: (_, options) => releasable(change(load(options))) }
})

export const withCodec = (change: Partial<Codec>): Subject => ({
  ...subject,
  plugin: { ...plugin, codec: () => Effect.succeed({ ...codec, ...change }) }
})
