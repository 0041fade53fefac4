import { assert, describe, it } from "@effect/vitest"
import type { FeatureValue, Item } from "@sluice/domain/Item"
import type { Datatype, TensorMap } from "@sluice/domain/Tensor"
import * as fc from "fast-check"
import { isDeepStrictEqual } from "node:util"
import {
  CACHE_ROOT,
  type CacheInput,
  itemKey,
  modelPrefix,
  namespaceOf,
  type NamespaceParts
} from "../../src/cache/CacheKey.ts"

const parts: NamespaceParts = { model: "iris", version: "v1", precision: "fp32", plugin: "onnx", options: {} }
const namespace = namespaceOf(parts)
const keyOf = (input: CacheInput) => itemKey(namespace, input)
const text = (value: string): Item => ({ _tag: "Text", text: value })
const features = (...values: ReadonlyArray<FeatureValue>): Item => ({ _tag: "Features", values })
const record = (fields: Readonly<Record<string, FeatureValue>>): Item => ({ _tag: "Record", fields })
const tokens = (...ids: ReadonlyArray<number>): Item => ({ _tag: "Tokens", ids })
const floats = (shape: ReadonlyArray<number>, ...values: ReadonlyArray<number>) => ({
  datatype: "FP32" as const,
  shape,
  data: Float32Array.from(values)
})

const assertAllDiffer = (inputs: ReadonlyArray<CacheInput>) => {
  const keys = inputs.map(keyOf)
  inputs.forEach((input, index) => {
    const same = keys.indexOf(keys[index] ?? "")
    assert.strictEqual(same, index, `${JSON.stringify(input)} has the key of ${JSON.stringify(inputs[same])}`)
  })
}

const anyFeature = fc.oneof(
  fc.double({ noNaN: true }),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.boolean(),
  fc.constant(null)
)
const anyItem: fc.Arbitrary<Item> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }).map(text),
  fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 5 }).map((ids) => tokens(...ids)),
  fc.array(anyFeature, { maxLength: 4 }).map((values) => features(...values)),
  fc.dictionary(fc.string({ maxLength: 3 }), anyFeature, { maxKeys: 4, noNullPrototype: true }).map(record)
)

/** Equal values in any order of fields, where 0 and -0 differ. */
const sameItem = (a: Item, b: Item): boolean => isDeepStrictEqual({ ...a }, { ...b })

describe("itemKey", () => {
  it("is the root, the model, the version and a hash", () => {
    assert.match(keyOf(text("hello")), /^sluice:1:cache:iris:v1:[A-Za-z0-9_-]{22}$/)
    assert.isTrue(keyOf(text("hello")).startsWith(namespace.prefix))
    assert.isTrue(namespace.prefix.startsWith(modelPrefix("iris")))
    assert.isTrue(modelPrefix("iris").startsWith(CACHE_ROOT))
  })

  it("is the same in another process", () => {
    // Entries outlive the process: a change of this key needs another number in KEY_ROOT.
    assert.strictEqual(keyOf(text("I love this product!")), "sluice:1:cache:iris:v1:E3LtS-Ke0aL-Nl-8-oSD6D")
  })

  it("does not depend on the order of a record's fields or a model's inputs", () => {
    assert.strictEqual(keyOf(record({ a: 1, b: "x", c: null })), keyOf(record({ c: null, b: "x", a: 1 })))
    const [ids, mask] = [floats([1, 2], 1, 2), floats([1, 2], 1, 1)]
    assert.strictEqual(keyOf({ ids, mask }), keyOf({ mask, ids }))
    const options = (value: unknown) => itemKey(namespaceOf({ ...parts, options: value }), text("x"))
    assert.strictEqual(options({ a: { c: 1, d: [1, 2] }, b: 2 }), options({ b: 2, a: { d: [1, 2], c: 1 } }))
  })

  it("tells values apart that look alike", () => {
    assertAllDiffer([
      ...[1, "1", true, false, 0, -0, "", "true", "0", null, "null"].map((value) => features(value)),
      ...[1, "1", true, null].map((value) => record({ a: value })),
      text("1"),
      text(""),
      text("a\u0301"),
      text("\u00e1"),
      text("\ud800"),
      text("\udc00"),
      text("\ufffd"),
      text("a\0b"),
      text("ab\0"),
      tokens(1),
      tokens(0, 1),
      tokens(),
      features(),
      record({})
    ])
  })

  it("tells apart what only boundaries tell apart", () => {
    assertAllDiffer([
      features("ab", "c"),
      features("a", "bc"),
      features("abc"),
      features("ab", "c", ""),
      features(1, 2),
      features(12),
      record({ ab: "c" }),
      record({ a: "bc" }),
      record({ a: "b", c: "" }),
      record({ a: "b", c: "d" }),
      record({ a: "bcd" }),
      text("x".repeat(32)),
      text("x".repeat(33)),
      text("x".repeat(31) + "é"),
      text("x".repeat(32) + "é")
    ])
  })

  it("tells tensors apart by name, datatype, shape and data", () => {
    const bits = Uint8Array.of(0, 0, 128, 63)
    const as = (datatype: Datatype, data: Uint8Array<ArrayBuffer>, shape: ReadonlyArray<number>): TensorMap => ({
      x: { datatype, shape, data }
    })
    assertAllDiffer([
      { x: floats([1, 2], 1, 2) },
      { y: floats([1, 2], 1, 2) },
      { x: floats([2, 1], 1, 2) },
      { x: floats([1, 2, 1], 1, 2) },
      { x: floats([1, 2], 1, 3) },
      { x: floats([1, 1], 0) },
      { x: floats([1, 1], -0) },
      { x: { datatype: "INT32", shape: [1, 1], data: Int32Array.of(0) } },
      as("UINT8", bits, [1, 4]),
      as("BOOL", bits, [1, 4]),
      { x: { datatype: "BYTES", shape: [1, 2], data: ["ab", "c"] } },
      { x: { datatype: "BYTES", shape: [1, 2], data: ["a", "bc"] } },
      { x: { datatype: "BYTES", shape: [1, 1], data: ["abc"] } },
      { x: floats([1, 1], 1), y: floats([1, 1], 2) },
      { x: floats([1, 1], 2), y: floats([1, 1], 1) },
      { _tag: floats([1, 1], 1) },
      {}
    ])
  })

  it("reads a view and not the buffer around it", () => {
    const around = Float32Array.of(9, 1, 2, 9)
    const view = { x: { datatype: "FP32" as const, shape: [1, 2], data: around.subarray(1, 3) } }
    assert.strictEqual(keyOf(view), keyOf({ x: floats([1, 2], 1, 2) }))
  })

  it("does not remember the items before", () => {
    const before = keyOf(text("hello"))
    keyOf({ x: { datatype: "BYTES", shape: [1], data: ["é".repeat(2_000_000)] } })
    assert.strictEqual(keyOf(text("hello")), before)
  })

  it("is equal exactly for equal items", () => {
    fc.assert(
      fc.property(anyItem, anyItem, (a, b) => {
        assert.strictEqual(keyOf(structuredClone(a)), keyOf(a))
        assert.strictEqual(keyOf(a) === keyOf(b), sameItem(a, b))
      }),
      { seed: 7, numRuns: 2_000 }
    )
  })

  it("differs with everything that decides the output", () => {
    const variants: ReadonlyArray<NamespaceParts> = [
      parts,
      { ...parts, model: "iris2" },
      { ...parts, version: "v2" },
      { ...parts, precision: "fp16" },
      { ...parts, plugin: "sklearn-onnx" },
      { ...parts, options: { truncate: true } },
      { ...parts, options: { truncate: "true" } },
      { ...parts, options: { truncate: null } },
      { ...parts, options: [] },
      { ...parts, options: [{}] },
      { ...parts, options: [[]] },
      { ...parts, options: null },
      { ...parts, options: undefined },
      { ...parts, revision: "1" },
      { ...parts, precision: "fp32onnx", plugin: "" }
    ]
    const keys = variants.map((variant) => itemKey(namespaceOf(variant), text("x")))
    assert.strictEqual(new Set(keys).size, variants.length)
  })
})
