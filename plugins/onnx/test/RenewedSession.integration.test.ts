import { assert, describe, it } from "@effect/vitest"
import type { TensorMap } from "@sluice/plugin-sdk"
import { fileContext } from "@sluice/plugin-sdk/ConformanceSubject"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { loadOnnx } from "../src/LoadOnnx.ts"
import { shipped } from "./Fixtures.ts"

const texts = (rows: number, tokens: number): TensorMap => {
  const all = (value: bigint) => ({
    datatype: "INT64" as const,
    shape: [rows, tokens],
    data: new BigInt64Array(rows * tokens).fill(value)
  })
  return { input_ids: all(2003n), attention_mask: all(1n), token_type_ids: all(0n) }
}

/** Lets the runtime, which knows nothing of the test's clock, do its work. */
const turn = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))

describe("a session whose large runs are past", () => {
  it.effect("gives their memory back, and answers as before", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const context = fileContext(shipped("sentiment_v2/model.onnx"), {
        log: (_, message) => lines.push(message)
      })
      const model = yield* loadOnnx(context)
      const small = yield* model.run(texts(1, 12))
      yield* model.run(texts(16, 400))
      assert.deepStrictEqual(yield* model.run(texts(1, 12)), small)
      const residentBytes = process.memoryUsage.rss()
      yield* TestClock.adjust("29 seconds")
      yield* turn
      assert.deepStrictEqual(lines, [])
      yield* TestClock.adjust("11 seconds")
      while (lines.length === 0) yield* turn
      assert.match(lines.join(), /made anew/)
      assert.isAbove(residentBytes - process.memoryUsage.rss(), 64 * 1024 * 1024)
      assert.deepStrictEqual(yield* model.run(texts(1, 12)), small)
      yield* TestClock.adjust("2 minutes")
      yield* turn
      assert.lengthOf(lines, 1)
    }))
})
