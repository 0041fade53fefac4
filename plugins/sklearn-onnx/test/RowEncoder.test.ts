import { assert, describe, it } from "@effect/vitest"
import type { Datatype, FeatureValue, Item } from "@sluice/plugin-sdk"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { columnsOf } from "../src/Columns.ts"
import { makeRowEncoder } from "../src/RowEncoder.ts"

const encoder = (datatypes: ReadonlyArray<Datatype>, names?: ReadonlyArray<string>) =>
  makeRowEncoder(Result.getOrThrow(columnsOf({
    inputs: datatypes.map((datatype, i) => ({ name: names?.[i] ?? `c${i}`, datatype, shape: [-1, 1] }))
  }, names)))

const single = (datatype: Datatype, width: number, names?: ReadonlyArray<string>) =>
  makeRowEncoder(Result.getOrThrow(columnsOf({ inputs: [{ name: "X", datatype, shape: [-1, width] }] }, names)))

const row = (...values: ReadonlyArray<FeatureValue>): Item => ({ _tag: "Features", values })
const record = (fields: Readonly<Record<string, FeatureValue>>): Item => ({ _tag: "Record", fields })

const refusal = ({ encode }: ReturnType<typeof encoder>, item: Item): string =>
  Result.match(encode(item), { onSuccess: () => "accepted", onFailure: ({ detail }) => detail })

describe("rows", () => {
  it("go into one input of all columns", () => {
    assert.deepStrictEqual(
      single("FP32", 3).encode(row(1, true, -0.5)),
      Result.succeed({
        X: { datatype: "FP32", shape: [1, 3], data: Float32Array.of(1, 1, -0.5) }
      })
    )
  })

  it("go into one input a column, each of its own datatype", () => {
    assert.deepStrictEqual(
      encoder(["FP64", "INT64", "BYTES", "BOOL", "FP16"]).encode(row(0.1, -3, "x", false, -2)),
      Result.succeed({
        c0: { datatype: "FP64", shape: [1, 1], data: Float64Array.of(0.1) },
        c1: { datatype: "INT64", shape: [1, 1], data: BigInt64Array.of(-3n) },
        c2: { datatype: "BYTES", shape: [1, 1], data: ["x"] },
        c3: { datatype: "BOOL", shape: [1, 1], data: Uint8Array.of(0) },
        c4: { datatype: "FP16", shape: [1, 1], data: Uint16Array.of(0xc000) }
      })
    )
  })

  it.each<[string, ReturnType<typeof encoder>, Item, string]>([
    ["too few", single("FP32", 30), row(...Array.from({ length: 29 }, () => 1)), "expected 30 features, got 29"],
    ["too many", single("FP32", 1), row(1, 2), "expected 1 feature, got 2"],
    ["null", single("FP32", 2, ["a", "b"]), row(1, null), `feature "b": expected a number, got null`],
    ["NaN", single("FP32", 2), row(1, NaN), "feature 1: expected a number, got NaN"],
    [
      "a string for a number",
      single("FP32", 2, ["a", "b"]),
      row("1", 2),
      `feature "a": expected a number, got a string`
    ],
    [
      "a number for a string",
      encoder(["BYTES", "FP32"], ["port", "age"]),
      row(1, 2),
      `feature "port": expected a string, got 1`
    ],
    [
      "null for a string",
      encoder(["BYTES", "FP32"], ["port", "age"]),
      row(null, 2),
      `feature "port": expected a string, got null`
    ],
    [
      "a fraction for a whole number",
      single("INT64", 1),
      row(1.5),
      "feature 0: expected a whole number from -9007199254740991 to 9007199254740991, got 1.5"
    ],
    [
      "a whole number out of range",
      single("UINT8", 1),
      row(256),
      "feature 0: expected a whole number from 0 to 255, got 256"
    ],
    [
      "a number too large for its datatype",
      single("FP32", 1),
      row(1e39),
      "feature 0: expected a number that FP32 can hold, got 1e+39"
    ],
    ["infinity", single("FP64", 1), row(Infinity), "feature 0: expected a number that FP64 can hold, got Infinity"],
    ["a number for a truth value", single("BOOL", 1), row(2), "feature 0: expected true or false, got 2"]
  ])("are refused for %s", (_, encoder, item, sentence) => {
    assert.strictEqual(refusal(encoder, item), sentence)
  })

  it("hold what was given, or are refused", () => {
    fc.assert(fc.property(fc.double(), (value) => {
      const encoded = single("FP32", 1).encode(row(value))
      if (Result.isSuccess(encoded)) {
        const held = Number(encoded.success["X"]!.data[0])
        assert.strictEqual(held, Math.fround(value))
        assert.isTrue(Number.isFinite(held))
      } else assert.isFalse(Number.isFinite(Math.fround(value)))
    }))
  })
})

describe("records", () => {
  const named = single("FP32", 2, ["mean radius", "area"])

  it("are read by name, in any order", () => {
    assert.deepStrictEqual(named.encode(record({ area: 2, "mean radius": 1 })), named.encode(row(1, 2)))
  })

  it.each<[string, Item, string]>([
    ["a missing field", record({ area: 2 }), `missing feature "mean radius"`],
    ["all missing", record({}), `missing features "mean radius", "area"`],
    ["a name from the prototype", record({ "mean radius": 1, toString: 2 }), `missing feature "area"`],
    [
      "a field too many",
      record({ area: 2, "mean radius": 1, id: 7 }),
      `no feature is named "id": the model has "mean radius", "area"`
    ],
    ["a bad value", record({ area: "2", "mean radius": 1 }), `feature "area": expected a number, got a string`]
  ])("are refused for %s", (_, item, sentence) => {
    assert.strictEqual(refusal(named, item), sentence)
  })

  it("are refused where features have no names", () => {
    assert.deepStrictEqual(single("FP32", 2).accepts, ["Features"])
    assert.match(refusal(single("FP32", 2), record({ a: 1 })), /have no names/)
  })
})

describe("texts", () => {
  it("are taken by a model of one string column", () => {
    const text = single("BYTES", 1)
    assert.deepStrictEqual(text.accepts, ["Text", "Features"])
    assert.deepStrictEqual(text.encode({ _tag: "Text", text: "good" }), text.encode(row("good")))
  })

  it("are refused by others", () => {
    assert.strictEqual(
      refusal(single("FP32", 1), { _tag: "Text", text: "1" }),
      "expected a row or record of features, got a text"
    )
    assert.strictEqual(
      refusal(single("BYTES", 2), { _tag: "Text", text: "1" }),
      "expected a row or record of features, got a text"
    )
    assert.strictEqual(refusal(single("BYTES", 1), { _tag: "Tokens", ids: [1] }), "expected a text, got token ids")
  })
})
