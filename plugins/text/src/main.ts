/**
 * The `text` plugin: classification and embedding of texts by transformers in ONNX files.
 */
import { loadOnnx } from "@sluice/plugin-onnx/LoadOnnx"
import { readOnnxFile } from "@sluice/plugin-onnx/OnnxFile"
import { definePlugin, type Model, type PluginContext, PluginError, type TensorMap } from "@sluice/plugin-sdk"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { sharedTokenizer } from "./SharedTokenizer.ts"
import { DEFAULT_MAX_TOKENS, makeTextCodec, tokenLimit, unfitInputs } from "./TextCodec.ts"
import { readTextFacts, TextOptions } from "./TextOptions.ts"
import { planText, type TextPlan } from "./TextPlan.ts"
import { meanPool, normaliseRows } from "./Vectors.ts"

const WARMUP_TOKENS = 32

const orFail = <A>(context: PluginContext, result: Result.Result<A, string>): Effect.Effect<A, PluginError> =>
  Effect.mapError(
    Effect.fromResult(result),
    (reason) => new PluginError({ reason: `${context.model}@${context.version}: ${reason}` })
  )

/** Pools and normalises inside the model, where the batch's attention mask is at hand. */
const postProcess = (model: Model, plan: TextPlan, normalize: boolean): Model => {
  if (!plan.pooled && !normalize) return model
  const { name, shape } = plan.output
  return {
    ...model,
    signature: {
      ...model.signature,
      outputs: [{ name, datatype: "FP32", shape: plan.pooled ? [shape[0]!, shape[2]!] : shape }]
    },
    run: (inputs) =>
      Effect.map(model.run(inputs), (outputs) => {
        const row = plan.pooled ? meanPool(outputs[name]!, inputs["attention_mask"]!) : outputs[name]!
        return { [name]: normalize ? normaliseRows(row) : row }
      })
  }
}

/** One text of so many ones, all of its first segment: some models have no second. */
const textOfOnes = ({ signature }: Model, tokens: number): TensorMap =>
  Object.fromEntries(signature.inputs.map(({ datatype, name }) => {
    const value = name === "token_type_ids" ? 0 : 1
    const shape = [1, tokens]
    return [
      name,
      datatype === "INT32"
        ? { datatype, shape, data: new Int32Array(tokens).fill(value) }
        : { datatype: "INT64" as const, shape, data: new BigInt64Array(tokens).fill(BigInt(value)) }
    ]
  }))

/** The empty text: most tokenizers put a token before and one after, and models may count on them. */
const SHORTEST = 2

/** A text of as many tokens, where the model takes one. */
const probe = (model: Model, longest: number) => (tokens: number): TensorMap | undefined =>
  tokens >= SHORTEST && tokens <= longest &&
    model.signature.inputs.every(({ shape: [, fixed = -1] }) => fixed < 0 || fixed === tokens)
    ? textOfOnes(model, tokens)
    : undefined

const load = (context: PluginContext, options: TextOptions) =>
  Effect.gen(function*() {
    const { labels, positions = Infinity } = yield* readTextFacts(context.files, options)
    const model = yield* loadOnnx(context, {
      outputs: (whole) => Result.map(planText(options, whole, labels), (plan) => [plan.output.name])
    })
    const unfit = unfitInputs(model.signature)
    if (unfit !== undefined) return yield* orFail(context, Result.fail(unfit))
    const plan = yield* orFail(context, planText(options, model.signature, labels))
    if (plan.pooled && !model.signature.inputs.some((spec) => spec.name === "attention_mask")) {
      return yield* orFail(context, Result.fail(`"${plan.output.name}" needs pooling, but there is no attention_mask`))
    }
    const served = postProcess(model, plan, options.normalize === true)
    const longest = Math.min(options.max_tokens ?? DEFAULT_MAX_TOKENS, positions)
    // So that the first request finds memory allocated
    return { ...served, warmup: [textOfOnes(served, WARMUP_TOKENS)], probe: probe(served, longest) }
  })

export default definePlugin({
  name: "text",
  options: TextOptions,
  load,
  codec: (context, options, signature) =>
    Effect.gen(function*() {
      const facts = yield* readTextFacts(context.files, options)
      const plan = yield* orFail(context, planText(options, signature, facts.labels))
      const tokenizer = yield* sharedTokenizer(context.files)
      const limit = yield* orFail(context, tokenLimit(options, facts, tokenizer))
      return makeTextCodec({ options, signature, plan, labels: facts.labels, tokenizer, limit })
    }),
  recognise: (files) =>
    files.path.endsWith(".onnx") && files.beside("tokenizer.json") !== undefined
      ? Effect.map(readOnnxFile(files.path), (file) =>
        unfitInputs({
            inputs: file.inputs.map(({ datatype, name }) => ({ name, datatype: datatype ?? "BYTES", shape: [] }))
          }) === undefined
          ? `tokenizer.json lies beside it and its inputs are ${file.inputs.map((input) => input.name).join(", ")}`
          : undefined)
      : Effect.succeed(undefined),
  serving: { instances: "cores", threads: 1, maxBatchSize: 4, inline: true, shareWorker: true }
})
