import { assert, describe, it } from "@effect/vitest"
import { coresOfEach, detectCores, quotaFromCpuMax, usableCores } from "@sluice/core/execution/Cores"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import * as Os from "node:os"

describe("quotaFromCpuMax", () => {
  it.each([
    ["200000 100000\n", 2],
    ["150000 100000", 1.5],
    ["50000 100000\n", 0.5],
    ["max 100000\n", undefined],
    ["-1 100000", undefined],
    ["0 100000", undefined],
    ["100000 0", undefined],
    ["100000", undefined],
    ["", undefined],
    ["no numbers", undefined]
  ])("reads %j as %s cores", (text, cores) => {
    assert.strictEqual(quotaFromCpuMax(text), cores)
  })
})

describe("usableCores", () => {
  it.each([
    [8, undefined, 8],
    [8, 2, 2],
    [8, 1.5, 1],
    [8, 0.5, 1],
    [2, 16, 2],
    [1, undefined, 1]
  ])("makes %d cores with a quota of %s into %d", (available, quota, cores) => {
    assert.strictEqual(usableCores(available, quota), cores)
  })
})

describe("coresOfEach", () => {
  it("gives all the same, at least one each, and no core that there is not while there are enough", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 512 }), fc.integer({ min: 1, max: 1024 }), (cores, processes) => {
      const each = coresOfEach(cores, processes)
      if (processes > cores) assert.strictEqual(each, 1)
      else assert.isTrue(each * processes <= cores && (each + 1) * processes > cores)
    }))
  })
})

describe("detectCores", () => {
  it.effect("finds at least one core, and no more than there are", () =>
    Effect.gen(function*() {
      const cores = yield* detectCores
      assert.isTrue(Number.isInteger(cores))
      assert.isAtLeast(cores, 1)
      assert.isAtMost(cores, Os.availableParallelism())
    }))
})
