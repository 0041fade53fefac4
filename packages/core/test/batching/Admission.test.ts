import { assert, describe, it } from "@effect/vitest"
import { isTooLate, type Load, predictedFinishMs, retryAfterMs } from "@sluice/core/batching/Admission"
import * as fc from "fast-check"

const idle: Load = {
  rowsAhead: 0,
  costAhead: 0,
  underWayMs: 0,
  instances: 1,
  batchItems: 4,
  model: { fixedMs: 2, perCostMs: 0.5, known: true }
}

const loads: fc.Arbitrary<Load> = fc.record({
  rowsAhead: fc.integer({ min: 0, max: 5000 }),
  costAhead: fc.double({ min: 0, max: 1e5, noNaN: true }),
  underWayMs: fc.double({ min: 0, max: 1000, noNaN: true }),
  instances: fc.integer({ min: 0, max: 8 }),
  batchItems: fc.integer({ min: 1, max: 64 }),
  model: fc.record({
    fixedMs: fc.double({ min: 0, max: 10, noNaN: true }),
    perCostMs: fc.double({ min: 0, max: 10, noNaN: true }),
    known: fc.constant(true)
  })
})

const rowsArbitrary = fc.integer({ min: 1, max: 5000 })
const costArbitrary = fc.double({ min: 0, max: 1e5, noNaN: true })

describe("predictedFinishMs", () => {
  it.each<[string, Partial<Load>, number, number, number]>([
    ["its own duration on an idle server", {}, 1, 10, 7],
    ["its own duration, however many instances are idle", { instances: 4 }, 1, 10, 7],
    ["all its batches", {}, 8, 20, 14],
    ["half of what goes before its last batch with two instances", { instances: 2 }, 12, 30, 14],
    ["what runs, what waits and what it takes itself", { underWayMs: 10, rowsAhead: 7, costAhead: 20 }, 1, 10, 29],
    ["nothing while the model knows nothing", { model: { fixedMs: 0, perCostMs: 0, known: false } }, 1, 10, 0],
    ["nothing for no rows", { underWayMs: 10 }, 0, 0, 0]
  ])("is %s", (_, load, rows, cost, expected) => {
    assert.closeTo(predictedFinishMs({ ...idle, ...load }, rows, cost), expected, 1e-9)
  })

  it("never falls when more waits or runs, nor rises with more instances", () => {
    fc.assert(fc.property(loads, rowsArbitrary, costArbitrary, fc.nat(100), (load, rows, cost, more) => {
      const finish = predictedFinishMs(load, rows, cost)
      const atLeast = finish * (1 - 1e-9) - 1e-9
      assert.isAtLeast(finish, 0)
      assert.isAtLeast(predictedFinishMs({ ...load, rowsAhead: load.rowsAhead + more }, rows, cost), atLeast)
      assert.isAtLeast(predictedFinishMs({ ...load, costAhead: load.costAhead + more }, rows, cost), atLeast)
      assert.isAtLeast(predictedFinishMs({ ...load, underWayMs: load.underWayMs + more }, rows, cost), atLeast)
      const faster = predictedFinishMs({ ...load, instances: Math.max(1, load.instances) + more }, rows, cost)
      assert.isAtMost(faster, finish * (1 + 1e-9) + 1e-9)
    }))
  })
})

describe("isTooLate", () => {
  const busy = { ...idle, underWayMs: 50, rowsAhead: 4, costAhead: 100 }

  it.each<[string, Load, number, number, number, boolean]>([
    ["in time", busy, 1, 10, 200, false],
    ["past the time left", busy, 1, 10, 100, true],
    ["in time by less than the safety margin", busy, 1, 10, 112, true],
    ["without a deadline", busy, 5000, 5000, Infinity, false],
    ["without any time left", idle, 1, 10, 0, true],
    ["past the time left by a model that nobody would mend", idle, 1, 1e6, 10, false],
    ["a large request beyond hope on an idle server", idle, 5000, 5000, 10, true],
    ["a few batches past the time left on an idle server", idle, 16, 16, predictedFinishMs(idle, 16, 16) / 3, false],
    ["unknown", { ...busy, model: { fixedMs: 0, perCostMs: 0, known: false } }, 1, 10, 1, false]
  ])("of rows %s", (_, load, rows, cost, remainingMs, expected) => {
    assert.strictEqual(isTooLate(load, rows, cost, remainingMs), expected)
  })

  it("holds the waiting to how late requests are, and no idle version", () => {
    assert.isFalse(isTooLate(busy, 1, 10, 200))
    assert.isTrue(isTooLate(busy, 1, 10, 200, 3))
    assert.isFalse(isTooLate(idle, 16, 16, predictedFinishMs(idle, 16, 16), 3))
  })

  it("refuses nobody with more time than one that is admitted", () => {
    const times = fc.double({ min: 0, max: 1e6, noNaN: true })
    fc.assert(fc.property(loads, rowsArbitrary, costArbitrary, times, times, (load, rows, cost, a, b) => {
      if (isTooLate(load, rows, cost, Math.max(a, b))) assert.isTrue(isTooLate(load, rows, cost, Math.min(a, b)))
    }))
  })
})

describe("retryAfterMs", () => {
  const busy = { ...idle, underWayMs: 50, rowsAhead: 7, costAhead: 92 }

  it.each<[string, Load, number, number]>([
    ["the predicted drain", busy, 0.5, 100],
    ["20 % less", busy, 0, 80],
    ["20 % more", busy, 1, 120],
    ["shared by the instances", { ...busy, instances: 2 }, 0.5, 50],
    ["10 at least", idle, 0.5, 10],
    [
      "by batches while nothing is known",
      {
        ...busy,
        underWayMs: 0,
        model: { fixedMs: 0, perCostMs: 0, known: false }
      },
      0.5,
      100
    ]
  ])("is %s", (_, load, random, expected) => {
    assert.closeTo(retryAfterMs(load, random), expected, 1)
  })

  it("is a whole number of at least 10, within 20 % of the middle", () => {
    fc.assert(fc.property(loads, fc.double({ min: 0, max: 1, noNaN: true }), (load, random) => {
      const ms = retryAfterMs(load, random)
      const middle = retryAfterMs(load, 0.5)
      assert.isTrue(Number.isInteger(ms) && ms >= 10)
      assert.isAtLeast(ms, 0.8 * (middle - 1) - 1)
      assert.isAtMost(ms, 1.2 * middle + 1)
    }))
  })
})
