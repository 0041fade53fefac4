import { assert, describe, it } from "@effect/vitest"
import { comparisonOf, emptyCounts, mergeCounts, RolloutCounts, sideOf } from "@sluice/core/rollout/RolloutCounts"
import { isVersionError, type OutputPair, RolloutMonitor } from "@sluice/core/rollout/RolloutMonitor"
import {
  DeadlineExceeded,
  InstanceLost,
  InternalError,
  InvalidInput,
  ModelFailed,
  Overloaded
} from "@sluice/domain/Errors"
import type { Item } from "@sluice/domain/Item"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"

const pair = (ofDefault: string, ofTarget: string, input?: Item): OutputPair => ({
  default: { outputs: {}, prediction: { prediction: ofDefault } },
  target: { outputs: {}, prediction: { prediction: ofTarget } },
  input
})
const monitor = (keepInputs = false) => new RolloutMonitor({ keepInputs })

describe("RolloutMonitor", () => {
  it("counts requests, failures and latencies of each side", () => {
    const counted = monitor()
    for (let ms = 1; ms <= 100; ms++) counted.record("default", ms, false)
    counted.record("target", 30, true)
    counted.record("target", 10, false)
    const counts = counted.counts()
    const { p50_ms, p99_ms, ...side } = sideOf("v1", counts.default)
    assert.deepStrictEqual(side, { version: "v1", requests: 100, errors: 0 })
    assert.closeTo(p50_ms!, 50, 1)
    assert.closeTo(p99_ms!, 99, 2)
    assert.deepInclude(sideOf("v2", counts.target), { requests: 2, errors: 1 })
    assert.deepInclude(sideOf("v3", emptyCounts.target), { requests: 0, p50_ms: null, p99_ms: null })
  })

  it("counts agreement, distance and what was not compared", () => {
    const counted = monitor()
    counted.compare(pair("a", "a"))
    counted.compare(pair("a", "b"))
    counted.compare({
      default: { outputs: {}, prediction: { embedding: [1, 0] } },
      target: { outputs: {}, prediction: { embedding: [0.6, 0.8] } },
      input: undefined
    })
    counted.drop()
    const { examples, max_abs_distance, mean_cosine, ...rest } = comparisonOf(counted.counts().comparison, Infinity)
    assert.deepStrictEqual(rest, { items: 3, agreed: 1, dropped: 1 })
    assert.closeTo(max_abs_distance!, 0.8, 1e-9)
    assert.closeTo(mean_cosine!, 0.6, 1e-9)
    assert.deepStrictEqual(examples.map(({ default: ofDefault, target }) => [ofDefault, target]), [
      ["[1, 0]", "[0.6, 0.8]"],
      ["a", "b"]
    ])
  })

  it("keeps the newest 20 disagreements, of at most 200 characters each", () => {
    const counted = monitor(true)
    for (let i = 0; i < 50; i++) {
      counted.compare(pair(`${i} ${"x".repeat(500)}`, "b", { _tag: "Text", text: "😀".repeat(400) }))
    }
    const { examples } = counted.counts().comparison
    assert.lengthOf(examples, 20)
    assert.isTrue(examples[0]?.default.startsWith("49 "))
    assert.isTrue(examples[19]?.default.startsWith("30 "))
    for (const { default: ofDefault, input } of examples) {
      assert.isAtMost(ofDefault.length, 200)
      assert.isAtMost(input!.length, 200)
      assert.isTrue(input!.isWellFormed())
    }
  })

  it("leaves inputs out unless the registry says otherwise", () => {
    const inputs = (keepInputs: boolean, item: Item) => {
      const counted = monitor(keepInputs)
      counted.compare(pair("a", "b", item))
      return counted.counts().comparison.examples.map(({ input }) => input)
    }
    assert.deepStrictEqual(inputs(false, { _tag: "Text", text: "secret" }), [undefined])
    assert.deepStrictEqual(inputs(true, { _tag: "Text", text: "secret" }), ["secret"])
    assert.deepStrictEqual(inputs(true, { _tag: "Features", values: [1, 0.12345678, "x", null] }), [
      "[1, 0.1235, x, null]"
    ])
    assert.deepStrictEqual(inputs(true, { _tag: "Record", fields: { age: 7, city: "Ulm" } }), ["age: 7, city: Ulm"])
  })

  it("has counts that a store keeps as JSON", () => {
    const counted = monitor(true)
    counted.record("target", 3, true)
    counted.compare(pair("a", "b", { _tag: "Text", text: "\ud800 alone" }))
    const counts = counted.counts()
    const json = Schema.fromJsonString(RolloutCounts)
    assert.deepStrictEqual(Schema.decodeSync(json)(Schema.encodeSync(json)(counts)), counts)
  })
})

describe("mergeCounts", () => {
  const event = fc.record({
    target: fc.boolean(),
    ms: fc.double({ min: 0, max: 1e6, noNaN: true }),
    failed: fc.boolean(),
    agrees: fc.boolean()
  })
  const count = (events: ReadonlyArray<{ target: boolean; ms: number; failed: boolean; agrees: boolean }>) => {
    const counted = monitor()
    for (const { agrees, failed, ms, target } of events) {
      counted.record(target ? "target" : "default", ms, failed)
      counted.compare(pair("a", agrees ? "a" : "b"))
    }
    return counted.counts()
  }

  it("of what several processes saw is what one would have seen", () => {
    fc.assert(fc.property(fc.array(event), fc.array(event), (a, b) => {
      const { comparison, ...sides } = count([...a, ...b])
      const merged = mergeCounts(count(a), count(b))
      assert.deepStrictEqual({ default: merged.default, target: merged.target }, sides)
      assert.deepStrictEqual({ ...merged.comparison, examples: [] }, { ...comparison, examples: [] })
      assert.isAtMost(merged.comparison.examples.length, 20)
      assert.deepStrictEqual(mergeCounts(count(a), emptyCounts), count(a))
    }))
  })
})

describe("isVersionError", () => {
  const names = { model: "m", version: "v1" }

  it("blames the version for what it did, and not for what its caller did or for a full queue", () => {
    assert.isTrue(isVersionError(new ModelFailed(names)))
    assert.isTrue(isVersionError(new InstanceLost({ ...names, retryAfterMs: 1 })))
    assert.isTrue(isVersionError(new DeadlineExceeded({ timeoutMs: 1 })))
    assert.isTrue(isVersionError(new InternalError()))
    assert.isFalse(isVersionError(new InvalidInput({ detail: "no" })))
    assert.isFalse(isVersionError(new Overloaded({ ...names, retryAfterMs: 1 })))
  })
})
