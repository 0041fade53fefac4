/**
 * A model for rollouts to judge: doubles a number after a rest of 40 ms, which leaves the cores free, and is as bad as its
 * options say.
 */
import { definePlugin, type Model, type ModelSignature, PluginError, type TensorMap } from "@sluice/plugin-sdk"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const signature: ModelSignature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 1] }],
  batchable: true
}

const restMs = 40

const share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

export const CandidateOptions = Schema.Struct({
  /** Shares of the numbers that it fails on, and that it answers otherwise. */
  fails: Schema.optionalKey(share),
  differs: Schema.optionalKey(share),
  /** How many times as long it takes. */
  slower: Schema.optionalKey(Schema.Finite)
})
interface CandidateOptions extends Schema.Schema.Type<typeof CandidateOptions> {}

/** Where a whole number from 1 on lies in [0, 1), by multiplicative hashing (Knuth, TAOCP 3, 6.4). */
export const placeOf = (value: number): number => (Math.imul(value, 2_654_435_761) >>> 0) / 4_294_967_296

/** Whether the number is one of that share; 0 is what a version is warmed up with. */
const isAmong = (value: number, share: number): boolean => value !== 0 && placeOf(value) < share

const load = ({ differs = 0, fails = 0, slower = 1 }: CandidateOptions) => {
  const run: Model["run"] = (inputs) =>
    Effect.gen(function*() {
      const data = inputs["x"]?.data
      if (!(data instanceof Float32Array)) return yield* new PluginError({ reason: "x is not FP32" })
      yield* Effect.sleep(restMs * slower)
      if (data.some((value) => isAmong(value, fails))) return yield* new PluginError({ reason: "it fails on this" })
      const doubled = data.map((value) => isAmong(value, differs) ? -value : 2 * value)
      return { y: { datatype: "FP32", shape: [data.length, 1], data: doubled } } satisfies TensorMap
    })
  return Effect.succeed({ signature, run } satisfies Model)
}

export default definePlugin({
  name: "candidate",
  options: CandidateOptions,
  serving: { threads: 1, maxBatchSize: 1, shareWorker: true },
  load: (_, options) => load(options)
})
