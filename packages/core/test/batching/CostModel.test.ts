import { assert, describe, it } from "@effect/vitest"
import { CostModel } from "@sluice/core/batching/CostModel"
import * as fc from "fast-check"
import { noiseOf, seeded } from "./Seeded.ts"

interface Machine {
  readonly fixedMs: number
  readonly perCostMs: number
  readonly draw: (random: () => number) => number
}

const from = (least: number, most: number) => (random: () => number) =>
  Math.round(least * Math.exp(random() * Math.log(most / least)))

/** Costs 1..5,000 and durations 0.05..500 ms. */
const machines: ReadonlyArray<readonly [string, Machine]> = [
  ["texts of all lengths", { fixedMs: 0.5, perCostMs: 0.1, draw: from(1, 5000) }],
  ["a high fixed cost", { fixedMs: 5, perCostMs: 0.02, draw: from(1, 64) }],
  ["nothing but a fixed cost", { fixedMs: 5, perCostMs: 0, draw: from(1, 64) }],
  ["no fixed cost", { fixedMs: 0, perCostMs: 0.1, draw: from(1, 400) }],
  ["a tiny model", { fixedMs: 0.05, perCostMs: 0.001, draw: from(1, 64) }],
  ["one cost only", { fixedMs: 3, perCostMs: 0.5, draw: () => 16 }]
]

const truthOf = ({ fixedMs, perCostMs }: Machine, cost: number): number => fixedMs + perCostMs * cost

/** Lets a model see batches of a machine: so much slower than it was, with noise and outliers of 20 times. */
const run = (model: CostModel, machine: Machine, random: () => number, batches: number, options: {
  readonly slower?: number
  readonly noise?: number
  readonly outliers?: number
}): void => {
  const { noise = 0, outliers = 0, slower = 1 } = options
  for (let i = 0; i < batches; i++) {
    const cost = machine.draw(random)
    const outlier = random() < outliers ? 20 : 1
    model.observe(cost, slower * truthOf(machine, cost) * noiseOf(random, noise) * outlier)
  }
}

/** The median relative error over costs as they come. */
const errorOf = (model: CostModel, machine: Machine, random: () => number, slower = 1): number => {
  const errors = Array.from({ length: 99 }, () => {
    const cost = machine.draw(random)
    return Math.abs(model.predict(cost) / (slower * truthOf(machine, cost)) - 1)
  })
  return errors.sort((a, b) => a - b)[49]!
}

const seeds = Array.from({ length: 20 }, (_, seed) => seed)

describe("CostModel", () => {
  it("knows nothing at first, and predicts 0", () => {
    const model = new CostModel()
    assert.isFalse(model.known)
    assert.deepStrictEqual([model.predict(100), model.fixedMs, model.perCostMs], [0, 0, 0])
  })

  it("takes all of it for slope while it has seen one cost only", () => {
    const model = new CostModel()
    for (let i = 0; i < 100; i++) model.observe(8, 4)
    assert.isTrue(model.known)
    assert.closeTo(model.perCostMs, 0.5, 1e-9)
    assert.closeTo(model.fixedMs, 0, 1e-9)
    assert.closeTo(model.predict(16), 8, 1e-9)
  })

  it("tells the fixed part from the slope as soon as it sees a second cost, however long it saw one", () => {
    const model = new CostModel()
    for (let i = 0; i < 1000; i++) model.observe(8, 4)
    for (let i = 0; i < 8; i++) model.observe(16, 5)
    assert.closeTo(model.predict(8), 4, 0.2)
    assert.closeTo(model.predict(16), 5, 0.25)
  })

  const warmUp = [1, 10, 50, 100, 200, 400].map((cost) => ({ cost, ms: 2 + 0.1 * cost }))

  it("knows the line from the samples of a warm-up, one of which is an outlier", () => {
    for (const place of warmUp.keys()) {
      const model = new CostModel()
      model.seed(warmUp.map((sample, i) => i === place ? { ...sample, ms: 5 * sample.ms } : sample))
      for (const { cost, ms } of warmUp) assert.closeTo(model.predict(cost) / ms, 1, 0.01, `outlier at ${place}`)
    }
  })

  it("forgets by a warm-up what it knew, and learns on from there", () => {
    const model = new CostModel()
    for (let i = 0; i < 100; i++) model.observe(8, 400)
    model.seed([])
    assert.closeTo(model.predict(8), 400, 1)
    model.seed([{ cost: 8, ms: 4 }])
    assert.closeTo(model.predict(8), 4, 0.01)
    model.seed(warmUp)
    const random = seeded(1)
    const machine = { fixedMs: 3, perCostMs: 0.05, draw: from(1, 400) }
    run(model, machine, random, 60, { noise: 0.1 })
    assert.isBelow(errorOf(model, machine, random), 0.15)
  })

  describe.each(machines)("for %s", (_, machine) => {
    it("is exact where nothing is noisy", () => {
      const random = seeded(1)
      const model = new CostModel()
      run(model, machine, random, 60, {})
      assert.isBelow(errorOf(model, machine, random), 0.01)
    })

    it("is within 15 % under noise of 20 % and 5 % of outliers of 20 times", () => {
      for (const seed of seeds) {
        const random = seeded(seed)
        const model = new CostModel()
        run(model, machine, random, 200, { noise: 0.2, outliers: 0.05 })
        assert.isBelow(errorOf(model, machine, random), 0.15, `seed ${seed}`)
      }
    })

    it.each([2, 3, 0.4])("follows a machine that takes %d times as long to within 25 %% in 40 batches", (slower) => {
      for (const seed of seeds) {
        const random = seeded(seed)
        const model = new CostModel()
        run(model, machine, random, 300, { noise: 0.1, outliers: 0.05 })
        run(model, machine, random, 40, { noise: 0.1, outliers: 0.05, slower })
        assert.isBelow(errorOf(model, machine, random, slower), 0.25, `seed ${seed}`)
      }
    })
  })

  it("learns from batches of one cost that the machine is slower for all", () => {
    const random = seeded(1)
    const model = new CostModel()
    const machine = { fixedMs: 1, perCostMs: 0.1, draw: from(1, 400) }
    run(model, machine, random, 200, { noise: 0.1 })
    run(model, { ...machine, draw: () => 20 }, random, 40, { noise: 0.1, slower: 3 })
    assert.isBelow(errorOf(model, machine, random, 3), 0.25)
  })

  it("never predicts what is negative, no number, or falls as the cost rises, whatever it was told", () => {
    const numbers = fc.oneof(
      fc.double(),
      fc.double({ min: 0, max: 5000, noNaN: true }),
      fc.constantFrom(0, 1, 1e-9, 1e12)
    )
    fc.assert(fc.property(fc.array(fc.tuple(numbers, numbers), { maxLength: 60 }), (batches) => {
      const model = new CostModel()
      for (const [cost, ms] of batches) {
        model.observe(cost, ms)
        const predicted = [0, 0.5, 1, 16, 400, 5000, 1e6].map((other) => model.predict(other))
        for (const ms of [...predicted, model.fixedMs, model.perCostMs]) {
          assert.isTrue(ms >= 0 && ms < Infinity, `${ms}`)
        }
        assert.deepStrictEqual(predicted, predicted.toSorted((a, b) => a - b))
      }
    }))
  })

  it("comes back from durations below the clock's resolution", () => {
    const model = new CostModel()
    for (let i = 0; i < 50; i++) model.observe(10, 0)
    for (let i = 0; i < 100; i++) model.observe(10, 5)
    assert.closeTo(model.predict(10), 5, 0.5)
  })
})
