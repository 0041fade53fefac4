import { assert, describe, it } from "@effect/vitest"
import { editDistance, nearestWord } from "@sluice/core/config/Suggestion"
import * as fc from "fast-check"

const word = fc.stringMatching(/^[a-z_]{0,12}$/)

describe("editDistance", () => {
  it.each([
    ["", "", 0],
    ["version", "version", 0],
    ["verions", "versions", 1],
    ["cahce", "cache", 1],
    ["activ", "active", 1],
    ["kitten", "sitting", 3],
    ["", "abc", 3]
  ])("%s to %s is %d", (a, b, distance) => {
    assert.strictEqual(editDistance(a, b), distance)
  })

  it("is symmetric, 0 for equal words alone, and at most the longer word's length", () => {
    fc.assert(fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b)
      assert.strictEqual(distance, editDistance(b, a))
      assert.strictEqual(distance === 0, a === b)
      assert.isAtMost(distance, Math.max(a.length, b.length))
      assert.isAtLeast(distance, Math.abs(a.length - b.length))
    }))
  })
})

describe("nearestWord", () => {
  const known = ["default_version", "description", "versions", "rollout_strategy", "max_batch_size"]

  it.each([
    ["verions", "versions"],
    ["defaultVersion", "default_version"],
    ["max-batch-size", "max_batch_size"],
    ["rolout_stratgy", "rollout_strategy"]
  ])("finds %s as %s", (typed, meant) => {
    assert.strictEqual(nearestWord(typed, known), meant)
  })

  it.each(["", "v", "instances", "__proto__"])("has nothing to suggest for %j", (typed) => {
    assert.isUndefined(nearestWord(typed, known))
  })

  it("does not take one short name for another", () => {
    assert.isUndefined(nearestWord("v3", ["v1", "v2"]))
    assert.isUndefined(nearestWord("gpu", ["cpu", "cuda"]))
  })

  it("finds any known word with one letter missing", () => {
    fc.assert(fc.property(fc.constantFrom(...known), fc.nat(), (meant, place) => {
      const at = place % meant.length
      assert.strictEqual(nearestWord(meant.slice(0, at) + meant.slice(at + 1), known), meant)
    }))
  })
})
