import { assert, describe, it } from "@effect/vitest"
import { outputWithoutNumber, warmupBatches } from "@sluice/core/execution/WarmupBatches"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import * as Result from "effect/Result"

const signature: ModelSignature = {
  inputs: [
    { name: "ids", datatype: "INT64", shape: [-1, -1] },
    { name: "half", datatype: "FP16", shape: [-1, 2] },
    { name: "text", datatype: "BYTES", shape: [-1] }
  ],
  outputs: [],
  batchable: true
}

describe("warmupBatches", () => {
  it("are of ones, in each input's datatype", () => {
    const shapes = [{ ids: [1, 3], half: [1, 2], text: [1] }]
    assert.deepStrictEqual(
      warmupBatches(signature, shapes),
      Result.succeed([{
        ids: { datatype: "INT64", shape: [1, 3], data: BigInt64Array.of(1n, 1n, 1n) },
        half: { datatype: "FP16", shape: [1, 2], data: Uint16Array.of(0x3c00, 0x3c00) },
        text: { datatype: "BYTES", shape: [1], data: ["warm-up"] }
      }])
    )
    assert.deepStrictEqual(warmupBatches(signature, []), Result.succeed([]))
  })

  it("are refused by name where the model cannot take them", () => {
    const refusal = (shapes: Readonly<Record<string, ReadonlyArray<number>>>) =>
      Result.getOrThrow(Result.flip(warmupBatches(signature, [shapes])))
    assert.match(refusal({ ids: [1, 3], half: [1, 2] }), /^warmup\.0: input "text" is missing/)
    assert.match(refusal({ ids: [1, 3], half: [1, 3], text: [1] }), /^warmup\.0: input "half": expected/)
    assert.match(refusal({ ids: [1, 3], half: [1, 2], text: [1], more: [1] }), /no input is named "more"/)
    assert.match(refusal({ ids: [100_000, 100_000] }), /^warmup\.0\.ids: 10000000000 elements are too many/)
  })
})

describe("outputWithoutNumber", () => {
  const fp32 = (...values: ReadonlyArray<number>) => ({
    datatype: "FP32" as const,
    shape: [values.length],
    data: Float32Array.from(values)
  })
  const fp16 = (...bits: ReadonlyArray<number>) => ({
    datatype: "FP16" as const,
    shape: [bits.length],
    data: Uint16Array.from(bits)
  })

  it("names the output that holds NaN or an infinity, in full or half precision", () => {
    assert.isUndefined(outputWithoutNumber({ a: fp32(1, -2), b: fp16(0x3c00, 0x7bff), c: fp32() }))
    for (const bad of [NaN, Infinity, -Infinity]) {
      assert.strictEqual(outputWithoutNumber({ a: fp32(1), b: fp32(0, bad) }), "b")
    }
    for (const bad of [0x7c00, 0xfc00, 0x7e00]) assert.strictEqual(outputWithoutNumber({ b: fp16(0, bad) }), "b")
    const integers = { datatype: "UINT16" as const, shape: [1], data: Uint16Array.of(0x7c00) }
    assert.isUndefined(outputWithoutNumber({ integers }))
  })
})
