import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { TextOptions } from "../src/TextOptions.ts"
import { planText } from "../src/TextPlan.ts"

const output = (name: string, ...shape: ReadonlyArray<number>) => ({ name, datatype: "FP32" as const, shape })

const logits = output("logits", -1, 2)
const embedding = output("sentence_embedding", -1, 384)
const pooler = output("pooler_output", -1, 384)
const tokens = output("last_hidden_state", -1, -1, 384)
const labels = ["negative", "positive"]

const signature = (...outputs: ReadonlyArray<typeof logits>) => ({ inputs: [], outputs, batchable: true })

/** A plan as "task output", or its refusal. */
const plan = (options: TextOptions, outputs: ReadonlyArray<typeof logits>, known?: ReadonlyArray<string>): string =>
  Result.match(planText(options, signature(...outputs), known), {
    onSuccess: ({ output, pooled, task }) => `${task} ${output.name}${pooled ? " pooled" : ""}`,
    onFailure: (reason) => reason
  })

describe("planText", () => {
  it.each<[string, TextOptions, ReadonlyArray<typeof logits>, ReadonlyArray<string> | undefined, string]>([
    ["logits are classes", {}, [logits], undefined, "text-classification logits"],
    ["classes come before embeddings", {}, [embedding, logits], labels, "text-classification logits"],
    ["as many columns as labels are classes", {}, [output("out", -1, 2)], labels, "text-classification out"],
    ["other rows are embeddings", {}, [output("out", -1, 768)], labels, "text-embedding out"],
    [
      "a sentence's embedding is one, whatever its width",
      {},
      [output("sentence_embedding", -1, 2)],
      labels,
      "text-embedding sentence_embedding"
    ],
    [
      "tokens are pooled where there is nothing else",
      {},
      [tokens],
      undefined,
      "text-embedding last_hidden_state pooled"
    ],
    ["a row is preferred to tokens", {}, [tokens, pooler], undefined, "text-embedding pooler_output"],
    [
      "the sentence's embedding is preferred to the pooler's",
      {},
      [pooler, embedding],
      undefined,
      "text-embedding sentence_embedding"
    ],
    ["the task decides", { task: "text-embedding" }, [logits, embedding], labels, "text-embedding sentence_embedding"],
    [
      "an embedding is no class score",
      { task: "text-embedding" },
      [logits, tokens],
      labels,
      "text-embedding last_hidden_state pooled"
    ],
    [
      "an output decides the task",
      { output: "sentence_embedding" },
      [logits, embedding],
      labels,
      "text-embedding sentence_embedding"
    ],
    [
      "an output decides among several",
      { task: "text-embedding", output: "pooler_output" },
      [embedding, pooler],
      undefined,
      "text-embedding pooler_output"
    ],
    [
      "the only row is classified, whatever its name",
      { task: "text-classification" },
      [output("out", -1, 5)],
      undefined,
      "text-classification out"
    ]
  ])("%s", (_, options, outputs, known, expected) => {
    assert.strictEqual(plan(options, outputs, known), expected)
  })

  it.each<[string, TextOptions, ReadonlyArray<typeof logits>, ReadonlyArray<string> | undefined, RegExp]>([
    [
      "an output that is not there",
      { output: "scores" },
      [logits],
      undefined,
      /^the model has no output "scores"; outputs: "logits" FP32 \[-1, 2\]$/
    ],
    [
      "classes without a row",
      { task: "text-classification" },
      [tokens],
      undefined,
      /^task text-classification needs a float output \[batch, classes\]/
    ],
    [
      "embeddings without floats",
      { task: "text-embedding" },
      [output("y", -1)],
      undefined,
      /^task text-embedding needs a float output/
    ],
    [
      "more labels than classes",
      {},
      [logits],
      ["a", "b", "c"],
      /^output "logits" has 2 classes, but there are 3 labels$/
    ]
  ])("refuses %s", (_, options, outputs, known, says) => {
    assert.match(plan(options, outputs, known), says)
  })

  it("answers alike for the signature cut down to the output it chose", () => {
    for (const options of [{}, { task: "text-embedding" as const }, { task: "text-classification" as const }]) {
      for (const outputs of [[logits, embedding, tokens], [embedding, logits]]) {
        const chosen = Result.getOrThrow(planText(options, signature(...outputs), labels))
        const again = Result.getOrThrow(planText(options, signature(chosen.output as typeof logits), labels))
        assert.deepStrictEqual(again, chosen)
      }
    }
  })
})
