/**
 * The text plugin on tiny models: pooling, int32 ids, probabilities, and tokenizers that cannot be read.
 */
import { assert, describe, it } from "@effect/vitest"
import type { ModelFiles } from "@sluice/plugin-sdk"
import { conformance } from "@sluice/plugin-sdk/Conformance"
import { fileContext } from "@sluice/plugin-sdk/ConformanceSubject"
import { splitRows, stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import text from "../src/main.ts"
import { sharedTokenizer } from "../src/SharedTokenizer.ts"
import type { TextOptions } from "../src/TextOptions.ts"

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url))

const item = (text: string) => ({ _tag: "Text" as const, text })

const items = ["good film", "", "the bad films, a good film!", "unknowable"].map(item)

conformance("text with pooling and without labels", {
  plugin: text,
  path: fixture("tokenwise.onnx"),
  options: { normalize: true },
  invalidOptions: [{ options: { normalize: 1 }, path: ["normalize"] }],
  items
})

conformance("text with int32 ids and probabilities", {
  plugin: text,
  path: fixture("classes.onnx"),
  invalidOptions: [{ options: { activation: "tanh" }, path: ["activation"] }],
  items
})

const open = (name: string, options: TextOptions) =>
  Effect.gen(function*() {
    const context = fileContext(fixture(name))
    const model = yield* text.load(context, options)
    return { model, codec: yield* text.codec!(context, options, model.signature) }
  })

const predict = (name: string, options: TextOptions, texts: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const { codec, model } = yield* open(name, options)
    const rows = texts.map((text) => Result.getOrThrow(codec.encode(item(text))))
    const outputs = yield* model.run(stackRows(rows, codec.padding))
    return splitRows(outputs, rows.length).map(codec.decode)
  })

/** The fixture's table, as `make.py` writes it; with one added for what the mask keeps. */
const vector = (id: number) => [0, 1, 2, 3].map((column) => (id * 7 + column * 3) % 11 - 5 + 1)

const mean = (ids: ReadonlyArray<number>) =>
  Float32Array.from([0, 1, 2, 3], (_, column) => ids.reduce((sum, id) => sum + vector(id)[column]!, 0) / ids.length)

describe("text-embedding", () => {
  it.effect("is the mean of the text's tokens, special ones counted, padding not", () =>
    Effect.gen(function*() {
      const [short, empty, long] = yield* predict("tokenwise.onnx", {}, ["good film", "", "the bad films!"])
      assert.deepStrictEqual(short!.embedding, mean([2, 4, 6, 3]))
      assert.deepStrictEqual(empty!.embedding, mean([2, 3]))
      assert.deepStrictEqual(long!.embedding, mean([2, 9, 5, 6, 7, 10, 3]))
    }))

  it.effect("keeps the special tokens of a text that is cut", () =>
    Effect.gen(function*() {
      const [cut] = yield* predict("tokenwise.onnx", { max_tokens: 4 }, ["the bad films!"])
      assert.deepStrictEqual(cut!.embedding, mean([2, 9, 5, 3]))
    }))
})

describe("text-classification", () => {
  it.effect("takes labels from model.json and probabilities as they are", () =>
    Effect.gen(function*() {
      const scores = [0, 1, 2].map((column) => Math.exp((4 * 7 + column * 3) % 11 - 5))
      const [good] = yield* predict("classes.onnx", {}, ["good"])
      assert.deepStrictEqual(Object.keys(good!.probabilities!), ["low", "middle", "high"])
      assert.strictEqual(good!.prediction, "middle")
      assert.closeTo(good!.probabilities!["middle"]!, scores[1]! / scores.reduce((a, b) => a + b), 1e-5)
    }))

  it.effect("takes labels from the options first", () =>
    Effect.gen(function*() {
      const [good] = yield* predict("classes.onnx", { labels: ["a", "b", "c"] }, ["good"])
      assert.strictEqual(good!.prediction, "b")
    }))
})

describe("a text that may not be truncated", () => {
  it.effect("is refused with its token count and the limit", () =>
    Effect.gen(function*() {
      const { codec } = yield* open("classes.onnx", { truncate: false, max_tokens: 5 })
      assert.isTrue(Result.isSuccess(codec.encode(item("good bad film"))))
      const refused = Result.getOrThrow(Result.flip(codec.encode(item("good bad film!"))))
      assert.strictEqual(refused.detail, "the text has 6 tokens, the model takes 5")
      const ids = Result.getOrThrow(Result.flip(codec.encode({ _tag: "Tokens", ids: [4, 5, 6, 10] })))
      assert.strictEqual(ids.detail, "the text has 6 tokens, the model takes 5")
    }))

  it.effect("is refused unread where it is long", () =>
    Effect.gen(function*() {
      const { codec } = yield* open("classes.onnx", { truncate: false, max_tokens: 5 })
      const words = Result.getOrThrow(Result.flip(codec.encode(item("good film ".repeat(100_000)))))
      assert.match(words.detail, /^the text has at least \d\d? tokens, the model takes 5$/)
      const letters = Result.getOrThrow(Result.flip(codec.encode(item("x".repeat(1_000_000)))))
      assert.match(letters.detail, /^the text is too long to be read/)
    }))
})

describe("sharedTokenizer", () => {
  it.effect("is one for two versions, and read anew when none uses it", () =>
    Effect.gen(function*() {
      const { files } = fileContext(fixture("classes.onnx"))
      const [first, second] = yield* Effect.scoped(
        Effect.all([sharedTokenizer(files), sharedTokenizer(files)], { concurrency: 2 })
      )
      assert.strictEqual(first, second)
      assert.notStrictEqual(yield* sharedTokenizer(files), first)
    }))

  const withFile = (content: string) =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-text-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      writeFileSync(join(folder, "tokenizer.json"), content)
      return fileContext(join(folder, "model.onnx")).files
    })

  const refusal = (files: ModelFiles) => Effect.map(Effect.flip(sharedTokenizer(files)), (error) => error.message)

  it.effect("says which file is missing or damaged", () =>
    Effect.gen(function*() {
      const { files } = fileContext("/nowhere/model.onnx")
      assert.strictEqual(yield* refusal(files), "tokenizer.json must lie beside /nowhere/model.onnx")
      assert.match(
        yield* refusal(yield* withFile(`{"model": `)),
        /^tokenizer\.json beside the model is not what it should be/
      )
      assert.match(yield* refusal(yield* withFile("{}")), /^the tokenizer beside .*model\.onnx cannot be read/)
    }))
})
