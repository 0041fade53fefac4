import { assert, describe, it } from "@effect/vitest"
import { signatureCodec } from "@sluice/core/registry/SignatureCodec"
import type { Item } from "@sluice/domain/Item"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Datatype } from "@sluice/domain/Tensor"
import * as Result from "effect/Result"
import * as fc from "fast-check"

const signatureOf = (datatype: Datatype, shape: ReadonlyArray<number>, batchable = true): ModelSignature => ({
  inputs: [{ name: "x", datatype, shape }],
  outputs: [],
  batchable
})

const codecOf = (datatype: Datatype, shape: ReadonlyArray<number>) => signatureCodec(signatureOf(datatype, shape))

const features = (...values: ReadonlyArray<number | string | boolean | null>): Item => ({ _tag: "Features", values })
const text = (value: string): Item => ({ _tag: "Text", text: value })

const refusal = (codec: ReturnType<typeof codecOf>, item: Item) => {
  const encoded = codec.encode(item)
  return Result.isFailure(encoded) ? encoded.failure.detail : "not refused"
}

describe("signatureCodec", () => {
  it.each<readonly [string, ModelSignature, ReadonlyArray<string>]>([
    ["rows of numbers", signatureOf("FP32", [-1, 4]), ["Features"]],
    ["rows of any width", signatureOf("FP32", [-1, -1]), ["Features"]],
    ["one number an item", signatureOf("INT64", [-1]), ["Features"]],
    ["one text an item", signatureOf("BYTES", [-1]), ["Text"]],
    ["one text an item in a row", signatureOf("BYTES", [-1, 1]), ["Text"]],
    ["several texts an item", signatureOf("BYTES", [-1, 3]), []],
    ["half-precision bits", signatureOf("FP16", [-1, 4]), []],
    ["images", signatureOf("FP32", [-1, 3, 8, 8]), []],
    ["no batches", signatureOf("FP32", [1, 4], false), []],
    ["no input", { inputs: [], outputs: [], batchable: true }, []],
    ["two inputs", {
      ...signatureOf("FP32", [-1, 4]),
      inputs: [...signatureOf("FP32", [-1, 4]).inputs, ...signatureOf("FP32", [-1]).inputs]
    }, []]
  ])("of a model that takes %s accepts the items that fit", (_, signature, accepted) => {
    const codec = signatureCodec(signature)
    assert.deepStrictEqual(codec.accepts, accepted)
    for (
      const item of [
        text("a"),
        features(1),
        { _tag: "Tokens", ids: [1] } as const,
        { _tag: "Record", fields: { a: 1 } } as const
      ]
    ) {
      if (!codec.accepts.includes(item._tag)) assert.match(refusal(codec, item), /.+/)
    }
  })

  it("makes a row of one dimension or two, as the signature has it", () => {
    assert.deepStrictEqual(Result.getOrThrow(codecOf("FP32", [-1, 2]).encode(features(1, true))), {
      x: { datatype: "FP32", shape: [1, 2], data: Float32Array.of(1, 1) }
    })
    assert.deepStrictEqual(Result.getOrThrow(codecOf("INT64", [-1]).encode(features(7))), {
      x: { datatype: "INT64", shape: [1], data: BigInt64Array.of(7n) }
    })
  })

  it("makes as wide a row as there are features where the signature leaves the width open", () => {
    assert.deepStrictEqual(Result.getOrThrow(codecOf("UINT8", [-1, -1]).encode(features(1, 2, 255))), {
      x: { datatype: "UINT8", shape: [1, 3], data: Uint8Array.of(1, 2, 255) }
    })
  })

  it("makes a text an element", () => {
    assert.deepStrictEqual(Result.getOrThrow(codecOf("BYTES", [-1, 1]).encode(text("ß"))), {
      x: { datatype: "BYTES", shape: [1, 1], data: ["ß"] }
    })
  })

  it.each<readonly [string, Datatype, ReadonlyArray<number>, Item, RegExp]>([
    ["too few features", "FP32", [-1, 3], features(1, 2), /expected 3 features, got 2/],
    ["too many features", "FP32", [-1, 3], features(1, 2, 3, 4), /expected 3 features, got 4/],
    ["no features", "FP32", [-1, -1], features(), /at least one/],
    ["a text for a number", "FP32", [-1, 2], features(1, "2"), /feature 1\b.*number/],
    ["nothing for a number", "FP32", [-1, 2], features(null, 2), /feature 0\b.*number/],
    ["a fraction for a whole number", "INT32", [-1, 2], features(1, 2.5), /feature 1\b.*2\.5.*INT32/],
    ["a fraction for a 64-bit number", "INT64", [-1], features(2.5), /feature 0\b.*2\.5.*INT64/],
    ["a number out of range", "UINT8", [-1], features(256), /feature 0\b.*256.*UINT8/],
    ["a negative number for one without a sign", "UINT64", [-1], features(-1), /feature 0\b.*-1.*UINT64/],
    ["2 for a truth value", "BOOL", [-1], features(2), /feature 0\b.*2.*BOOL/],
    ["more than a float holds", "FP32", [-1], features(1e39), /feature 0\b.*1e\+39.*FP32/]
  ])("refuses %s, saying which and why", (_, datatype, shape, item, sentence) => {
    assert.match(refusal(codecOf(datatype, shape), item), sentence)
  })

  const numeric: ReadonlyArray<Datatype> = [
    "BOOL",
    "UINT8",
    "UINT16",
    "UINT32",
    "UINT64",
    "INT8",
    "INT16",
    "INT32",
    "INT64",
    "FP32",
    "FP64"
  ]

  it("gives a number as it was or refuses it, for every datatype", () => {
    fc.assert(
      fc.property(fc.constantFrom(...numeric), fc.oneof(fc.double(), fc.integer()), (datatype, value) => {
        const encoded = codecOf(datatype, [-1]).encode(features(value))
        if (Result.isFailure(encoded)) return
        const [stored] = Array.from<string | number | bigint, number>(encoded.success["x"]?.data ?? [], Number)
        assert.strictEqual(stored, datatype === "FP32" ? Math.fround(value) : value)
        assert.isTrue(Number.isFinite(stored))
      }),
      { numRuns: 1000 }
    )
  })

  it("decodes outputs to plain values by name, half-precision bits to the numbers they are", () => {
    const decoded = codecOf("FP32", [-1, 2]).decode({
      label: { datatype: "BYTES", shape: [1], data: ["yes"] },
      count: { datatype: "INT64", shape: [1], data: BigInt64Array.of(3n) },
      half: { datatype: "FP16", shape: [1, 2], data: Uint16Array.of(0x3c00, 0xc000) },
      score: { datatype: "FP32", shape: [1, 2], data: Float32Array.of(0.5, 0.25) }
    })
    assert.deepStrictEqual(decoded, { outputs: { label: ["yes"], count: [3], half: [1, -2], score: [0.5, 0.25] } })
  })
})
