import { assert, describe, it } from "@effect/vitest"
import { assignVersion, isSampled, type Routing, trafficPercent } from "@sluice/core/rollout/Assignment"
import * as fc from "fast-check"

const keys = Array.from({ length: 20_000 }, (_, i) => `caller-${i}`)
const canary = (percentage: number, targetVersion = "v2"): Routing => ({ type: "canary", targetVersion, percentage })
const abTest = (weights: Readonly<Record<string, number>>): Routing => ({
  type: "ab_test",
  weights: new Map(Object.entries(weights))
})
const assign = (routing: Routing, key: string, model = "m") => assignVersion(model, "v1", routing, key)
const shareOf = (version: string, routing: Routing, model = "m"): number =>
  keys.filter((key) => assign(routing, key, model) === version).length / keys.length

const anyKey = fc.string({ unit: "binary" })
const percentage = fc.double({ min: 0, max: 100, noNaN: true })

describe("assignVersion", () => {
  it("gives a canary of 10 % between 9.5 and 10.5 % of 20,000 keys, whatever the keys look like", () => {
    const families = [
      keys,
      keys.map((_, i) => String(i)),
      keys.map((_, i) => `10.0.${i >> 8}.${i & 255}`),
      keys.map((_, i) => `00000000-0000-4000-8000-${i.toString(16).padStart(12, "0")}`),
      keys.map((_, i) => "x".repeat(i % 200) + String(i))
    ]
    for (const family of families) {
      const share = family.filter((key) => assign(canary(10), key) === "v2").length / family.length
      assert.isAtLeast(share, 0.095)
      assert.isAtMost(share, 0.105)
    }
  })

  it("spreads keys evenly at every percentage", () => {
    // Four standard deviations of a binomial of 20,000.
    for (let p = 1; p < 100; p += 7) {
      const bound = 4 * Math.sqrt(p / 100 * (1 - p / 100) / keys.length)
      assert.closeTo(shareOf("v2", canary(p)), p / 100, bound, `${p} %`)
    }
  })

  it("never sends a caller back when the percentage is raised, and gives one key one answer", () => {
    fc.assert(fc.property(anyKey, percentage, percentage, (key, a, b) => {
      const low = assign(canary(Math.min(a, b)), key)
      const high = assign(canary(Math.max(a, b)), key)
      assert.strictEqual(low, assign(canary(Math.min(a, b)), key))
      if (low === "v2") assert.strictEqual(high, "v2")
    }))
  })

  it("gives nobody to a target of 0 %, and everybody to one of 100 %", () => {
    fc.assert(fc.property(anyKey, (key) => {
      assert.strictEqual(assign(canary(0), key), "v1")
      assert.strictEqual(assign(canary(100), key), "v2")
    }))
  })

  it("is independent between models, and between targets of one model", () => {
    const first = new Set(keys.filter((key) => assign(canary(10), key) === "v2"))
    const both = (other: (key: string) => string, version: string) =>
      [...first].filter((key) => other(key) === version).length / first.size
    // A tenth of the first 2,000, within four standard deviations.
    assert.closeTo(both((key) => assign(canary(10), key, "other"), "v2"), 0.1, 0.027)
    assert.closeTo(both((key) => assign(canary(10, "v3"), key), "v3"), 0.1, 0.027)
    assert.closeTo(both((key) => assign(abTest({ a: 1, b: 9 }), key), "a"), 0.1, 0.027)
  })

  it("is the same in every process: these keys have been where they are since the first release", () => {
    const fixed = ["alice", "bob", "carol", "dave", "erin", "", "日本", "\ud800"]
    const of = (routing: Routing) => fixed.map((key) => assign(routing, key))
    assert.deepStrictEqual(of(canary(50)), ["v1", "v1", "v1", "v1", "v1", "v1", "v2", "v2"])
    assert.deepStrictEqual(of(abTest({ a: 1, b: 1, c: 1 })), ["b", "c", "c", "b", "b", "c", "a", "a"])
  })

  it("shares an A/B test by its weights, whatever the order of the file", () => {
    const weights = { v1: 20, v2: 50, v3: 30 }
    for (const [version, weight] of Object.entries(weights)) {
      assert.closeTo(shareOf(version, abTest(weights)), weight / 100, 0.015)
    }
    const turned = abTest({ v3: 30, v1: 20, v2: 50 })
    for (const key of keys.slice(0, 500)) assert.strictEqual(assign(turned, key), assign(abTest(weights), key))
  })

  it("gives a version without weight nothing, and an A/B test without weights to the default", () => {
    fc.assert(fc.property(anyKey, (key) => {
      assert.strictEqual(assign(abTest({ a: 0, b: 3, c: 0 }), key), "b")
      assert.strictEqual(assign(abTest({ a: 0, b: 0 }), key), "v1")
      assert.strictEqual(assign(abTest({ a: 0.1, b: 0.2, c: 1e-12 }), key).length, 1)
    }))
  })

  it("answers by the default where it is pinned, and where the target only computes a copy", () => {
    assert.strictEqual(assign({ type: "pinned" }, "alice"), "v1")
    assert.strictEqual(assign({ type: "shadow", targetVersion: "v2", percentage: 100 }, "alice"), "v1")
  })
})

describe("isSampled", () => {
  it("takes the percentage of samples: none of 0, all of 100", () => {
    fc.assert(fc.property(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), percentage, (sample, p) => {
      assert.isFalse(isSampled(0, sample))
      assert.isTrue(isSampled(100, sample))
      assert.strictEqual(isSampled(p, sample), sample * 100 < p)
    }))
  })
})

describe("trafficPercent", () => {
  const percentOf = (routing: Routing) => ["v1", "v2", "v3"].map((version) => trafficPercent("v1", routing, version))

  it("says what part of the requests without a version a version answers", () => {
    assert.deepStrictEqual(percentOf({ type: "pinned" }), [100, 0, 0])
    assert.deepStrictEqual(percentOf(canary(25)), [75, 25, 0])
    assert.deepStrictEqual(percentOf({ type: "shadow", targetVersion: "v2", percentage: 25 }), [100, 0, 0])
    assert.deepStrictEqual(percentOf(abTest({ v2: 1, v3: 3 })), [0, 25, 75])
    assert.deepStrictEqual(percentOf(abTest({ v2: 0, v3: 0 })), [100, 0, 0])
  })
})
