/**
 * The text plugin on MiniLM: its contract, and its answers against those computed by the reference implementations.
 */
import { assert, describe, it } from "@effect/vitest"
import { loadOnnx } from "@sluice/plugin-onnx/LoadOnnx"
import type { Codec, Model, PluginContext, Tensor, TensorMap } from "@sluice/plugin-sdk"
import { conformance } from "@sluice/plugin-sdk/Conformance"
import { splitRows, stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { existsSync } from "node:fs"
import { join } from "node:path"
import text from "../src/main.ts"
import type { TextOptions } from "../src/TextOptions.ts"
import {
  contextOf,
  fp16Model,
  fp32Model,
  type GoldenRun,
  hasSharedModels,
  int8Golden,
  type MiniLmGolden,
  readGolden,
  sharedModels,
  shippedModel,
  tokenizerCases
} from "./Goldens.ts"

const item = (text: string) => ({ _tag: "Text" as const, text })

const subject = {
  plugin: text,
  path: shippedModel,
  // Dynamic quantisation takes one scale for a whole batch
  batchInvariant: false,
  invalidOptions: [
    { options: { task: "translation" }, path: ["task"] },
    { options: { labels: ["a", 1] }, path: ["labels", 1] },
    { options: { max_tokens: 2 }, path: ["max_tokens"] },
    { options: { max_token: 128 }, path: ["max_token"] }
  ],
  items: [item("A short text."), item(""), item("a text that is longer, so that rows of a batch are padded [SEP]")],
  invalidItems: [
    { _tag: "Tokens" as const, ids: [7592, 30522] },
    { _tag: "Tokens" as const, ids: [-1] },
    { _tag: "Tokens" as const, ids: [1.5] }
  ]
}

conformance("text as classification", { ...subject, options: { task: "text-classification" } })
conformance("text as embedding", { ...subject, options: { task: "text-embedding", normalize: true } })

/** Loads a model and its codec. */
const open = (context: PluginContext, options: TextOptions) =>
  Effect.gen(function*() {
    const model = yield* text.load(context, options)
    return { model, codec: yield* text.codec!(context, options, model.signature) }
  })

/** A golden's texts through a model and its codec, in the batches that the run lists. */
const answers = (model: Model, codec: Codec, golden: MiniLmGolden, { batchSize }: GoldenRun) =>
  Effect.gen(function*() {
    const rows = golden.inputs.map(({ text }) => Result.getOrThrow(codec.encode(item(text))))
    const outputs: Array<TensorMap> = []
    for (let start = 0; start < rows.length; start += batchSize) {
      const batch = rows.slice(start, start + batchSize)
      outputs.push(...splitRows(yield* model.run(stackRows(batch, codec.padding)), batch.length))
    }
    return outputs
  })

const numbers = (tensor: Tensor | undefined): ReadonlyArray<number> => Array.from(tensor!.data as BigInt64Array, Number)

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    Array.from(x).reduce((sum, value, i) => sum + value * y[i]!, 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

const assertClose = (actual: ArrayLike<number>, expected: ReadonlyArray<number>, tolerance: number, what: string) => {
  assert.strictEqual(actual.length, expected.length)
  const worst = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)))
  assert.isAtMost(worst, tolerance, what)
}

const softmax = (logits: ReadonlyArray<number>): ReadonlyArray<number> => {
  const weights = logits.map(Math.exp)
  return weights.map((weight) => weight / weights.reduce((a, b) => a + b))
}

type Tolerance = { readonly cosine: number } | { readonly absolute: number }

const assertClasses = (
  codec: Codec,
  outputs: ReadonlyArray<TensorMap>,
  golden: MiniLmGolden,
  run: GoldenRun,
  tolerance: Tolerance
) => {
  const predictions = outputs.map(codec.decode)
  assert.deepStrictEqual(
    predictions.map(({ prediction }) => prediction),
    run.label.map((label) => golden.labels[label])
  )
  if ("cosine" in tolerance) return
  for (const [i, { probabilities }] of predictions.entries()) {
    assertClose(outputs[i]!["logits"]!.data as Float32Array, run.logits[i]!, tolerance.absolute, `logits ${i}`)
    assertClose(Object.values(probabilities!), softmax(run.logits[i]!), tolerance.absolute, `probabilities ${i}`)
  }
}

const assertEmbeddings = (codec: Codec, outputs: ReadonlyArray<TensorMap>, run: GoldenRun, tolerance: Tolerance) => {
  for (const [i, { embedding }] of outputs.map(codec.decode).entries()) {
    const expected = run.sentence_embedding[i]!
    if ("cosine" in tolerance) assert.isAbove(cosine(embedding!, expected), tolerance.cosine, `embedding ${i}`)
    else assertClose(embedding!, expected, tolerance.absolute, `embedding ${i}`)
  }
}

/** The tolerances are those of the goldens' own notes. Large batches run once for both tasks: they take seconds. */
const compareWith = (context: PluginContext, golden: MiniLmGolden, tolerance: Tolerance) => {
  for (const run of golden.runs) {
    it.effect(`answers as the reference at ${run.maxLength} tokens in batches of ${run.batchSize}`, () =>
      Effect.gen(function*() {
        const classification = yield* open(context, { task: "text-classification", max_tokens: run.maxLength })
        const embedding = yield* open(context, { task: "text-embedding", max_tokens: run.maxLength })
        const alone = run.batchSize === 1
        const model = alone ? classification.model : yield* loadOnnx(context)
        const outputs = yield* answers(model, classification.codec, golden, run)
        assertClasses(classification.codec, outputs, golden, run, tolerance)
        const embedded = alone ? yield* answers(embedding.model, embedding.codec, golden, run) : outputs
        assertEmbeddings(embedding.codec, embedded, run, tolerance)
      }))
  }
}

describe("MiniLM int8", () => compareWith(contextOf(shippedModel), int8Golden(), { cosine: 0.999 }))

/** Goldens of files that do not ship: where those are not, the suite says so, and fails if nothing may be skipped. */
const optional = (name: string, path: string, golden: string, absolute: number) => {
  if (existsSync(path)) {
    describe(name, () => compareWith(contextOf(path), readGolden(join(sharedModels, "golden", golden)), { absolute }))
  } else {
    const missing = `${name} is not compared with its goldens: there is no ${path}`
    process.emitWarning(missing)
    const mayNotSkip = process.env["SLUICE_NO_SKIPS"] === "1" && hasSharedModels
    it.skipIf(!mayNotSkip)(missing, () => assert.fail(missing))
  }
}

optional("MiniLM fp32", fp32Model, "minilm.fp32.json", 1e-4)
optional("MiniLM fp16", fp16Model, "minilm.fp16.json", 5e-3)

describe("the tokenizer", () => {
  /** JavaScript's lower case knows the final sigma, the reference's does not; its ideographs end before extension B. */
  const knownDifferences = ["supplementary ideographs", "final sigma and capital sigma"]

  const idsOf = (max_tokens: number) =>
    Effect.gen(function*() {
      const { codec } = yield* open(contextOf(shippedModel), { max_tokens })
      return (text: string) => {
        const rows = Result.getOrThrow(codec.encode(item(text)))
        assert.strictEqual(codec.cost!(rows), rows["input_ids"]!.data.length)
        const ids = numbers(rows["input_ids"])
        assert.deepStrictEqual(numbers(rows["attention_mask"]), ids.map(() => 1))
        assert.deepStrictEqual(numbers(rows["token_type_ids"]), ids.map(() => 0))
        return ids
      }
    })

  for (const limit of [128, 512] as const) {
    it.effect(`gives the reference's ids at ${limit} tokens, but for two known differences`, () =>
      Effect.gen(function*() {
        const ids = yield* idsOf(limit)
        const differing = tokenizerCases.filter((golden) =>
          ids(golden.text).join() !== golden[`max${limit}`].input_ids.join()
        )
        assert.deepStrictEqual(differing.map(({ name }) => name), knownDifferences)
      }))
  }

  it.effect("refuses longer texts where they may not be truncated, with both counts", () =>
    Effect.gen(function*() {
      const { codec } = yield* open(contextOf(shippedModel), { truncate: false, max_tokens: 128 })
      for (const { name, text, tokenCount } of tokenizerCases) {
        if (knownDifferences.includes(name)) continue
        const found = Result.match(codec.encode(item(text)), {
          onSuccess: (rows) => String(rows["input_ids"]!.data.length),
          onFailure: ({ detail }) => detail
        })
        const expected = tokenCount <= 128
          ? String(tokenCount)
          : `the text has ${tokenCount} tokens, the model takes 128`
        // A text far over the limit is not read to its end
        assert.strictEqual(found.replace(/at least \d+/, String(tokenCount)), expected, name)
      }
    }))

  it.effect("takes token ids as it takes their text", () =>
    Effect.gen(function*() {
      const { codec } = yield* open(contextOf(shippedModel), {})
      const encoded = Result.getOrThrow(codec.encode(item("hello world")))
      assert.deepStrictEqual(Result.getOrThrow(codec.encode({ _tag: "Tokens", ids: [7592, 2088] })), encoded)
    }))
})

describe("options against the model", () => {
  const refusal = (options: TextOptions) =>
    Effect.map(Effect.flip(open(contextOf(shippedModel), options)), (error) => error.message)

  it.effect("are refused with what the model has", () =>
    Effect.gen(function*() {
      assert.match(yield* refusal({ max_tokens: 1024 }), /max_tokens is 1024, but the model reads 512 tokens at most/)
      assert.match(
        yield* refusal({ labels: ["a", "b", "c"], task: "text-classification" }),
        /"logits" has 2 classes, but there are 3 labels/
      )
      assert.match(
        yield* refusal({ output: "nothing" }),
        /no output "nothing"; outputs: "sentence_embedding" FP32 \[-1, 384\]/
      )
    }))

  it.effect("decide the task, or leave it to the outputs", () =>
    Effect.gen(function*() {
      const outputs = (options: TextOptions) =>
        Effect.map(text.load(contextOf(shippedModel), options), ({ signature }) =>
          signature.outputs.map(({ name }) => name))
      assert.deepStrictEqual(yield* outputs({}), ["logits"])
      assert.deepStrictEqual(yield* outputs({ task: "text-embedding" }), ["sentence_embedding"])
      assert.deepStrictEqual(yield* outputs({ output: "sentence_embedding" }), ["sentence_embedding"])
    }))
})

describe("recognise", () => {
  it.effect("takes a transformer by the tokenizer beside it", () =>
    Effect.gen(function*() {
      const { files } = contextOf(shippedModel)
      assert.match(String(yield* text.recognise!(files)), /tokenizer\.json lies beside it.*input_ids/)
      assert.isUndefined(yield* text.recognise!({ ...files, beside: () => undefined }))
    }))
})
