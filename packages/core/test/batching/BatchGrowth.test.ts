import { assert, describe, it } from "@effect/vitest"
import { BatchGrowth } from "@sluice/core/batching/BatchGrowth"
import { noiseOf, seeded } from "./Seeded.ts"

/** Milliseconds of a batch of so many items of that cost each. */
type Machine = (items: number, cost: number) => number

const transformer: Machine = (items, cost) => 4 * items * cost * (1 + 0.05 * (items - 1))
const withFixedCost: Machine = (items) => 5 + 0.02 * items
/** Items up to 8 cost nothing, and then as much as two batches. */
const knee: Machine = (items) => 2 + 2 * Math.max(0, items - 8)

/** Batches as full as allowed; gives how often each limit was used. */
const run = (growth: BatchGrowth, machine: Machine, options: {
  readonly seed: number
  readonly batches: number
  readonly noise: number
  readonly costs?: (random: () => number) => number
}): ReadonlyArray<number> => {
  const random = seeded(options.seed)
  return Array.from({ length: options.batches }, () => {
    const items = growth.limit
    const cost = options.costs?.(random) ?? 1
    const outlier = random() < 0.03 ? 10 : 1
    growth.observe(items, items * cost, machine(items, cost) * noiseOf(random, options.noise) * outlier)
    return items
  })
}

const shareOf = (limits: ReadonlyArray<number>, isSo: (limit: number) => boolean): number =>
  limits.filter(isSo).length / limits.length

const seeds = Array.from({ length: 20 }, (_, seed) => seed)

describe("BatchGrowth", () => {
  it("starts with batches of one, and never exceeds what is allowed", () => {
    for (const max of [1, 2, 3, 24, 64]) {
      const growth = new BatchGrowth(max)
      assert.strictEqual(growth.limit, 1)
      const limits = run(growth, withFixedCost, { seed: 1, batches: 1000, noise: 0.2 })
      assert.strictEqual(Math.max(...limits), max)
      assert.isAtLeast(Math.min(...limits), 1)
    }
  })

  it("lets a batch cost what so many usual items cost, so that long texts go in smaller ones", () => {
    const growth = new BatchGrowth(64)
    assert.strictEqual(growth.costLimit, Infinity)
    const random = seeded(1)
    for (let batch = 0; batch < 500; batch++) {
      const costs = Array.from({ length: growth.limit }, (): number => random() < 0.9 ? 20 : 400)
      growth.observe(costs.length, costs.reduce((sum, cost) => sum + cost), withFixedCost(costs.length, 1))
    }
    const usual = 0.9 * 20 + 0.1 * 400
    assert.isAbove(growth.costLimit, 64 * usual)
    assert.isBelow(growth.costLimit, 2 * 64 * usual)
  })

  it("starts at the size that was measured, within what is allowed", () => {
    assert.deepStrictEqual([1, 8, 24, 100].map((startAt) => new BatchGrowth(24, startAt).limit), [1, 8, 24, 24])
  })

  describe.each([0, 0.05, 0.2])("with noise of %d", (noise) => {
    it("keeps to one or two items where more of them are slower each", () => {
      for (const seed of seeds) {
        const growth = new BatchGrowth(64)
        run(growth, transformer, { seed, batches: 500, noise })
        const limits = run(growth, transformer, { seed: seed + 1000, batches: 1000, noise })
        assert.isAtLeast(shareOf(limits, (limit) => limit <= 2), 0.95, `seed ${seed}`)
      }
    })

    it("keeps to one or two texts of all lengths", () => {
      for (const seed of seeds) {
        const growth = new BatchGrowth(64)
        const costs = (random: () => number) => 5 + 395 * random() ** 2
        run(growth, transformer, { seed, batches: 500, noise, costs })
        const limits = run(growth, transformer, { seed: seed + 1000, batches: 1000, noise, costs })
        assert.isAtLeast(shareOf(limits, (limit) => limit <= 2), 0.9, `seed ${seed}`)
      }
    })

    it("keeps to one or two texts where a batch pads them to its longest, though padding is cheap", () => {
      const cheapPadding: Machine = (items, longest) => items * longest * 0.9 ** Math.log2(items)
      for (const seed of seeds) {
        const random = seeded(seed)
        const growth = new BatchGrowth(64)
        const limits = Array.from({ length: 1500 }, () => {
          const items = growth.limit
          const costs = Array.from({ length: items }, () => 40 + 60 * random())
          const ms = cheapPadding(items, Math.max(...costs)) * noiseOf(random, noise)
          growth.observe(items, costs.reduce((sum, cost) => sum + cost), ms)
          return items
        })
        assert.isAtLeast(shareOf(limits.slice(500), (limit) => limit <= 2), 0.9, `seed ${seed}`)
      }
    })

    it("grows to the largest within 300 batches where a batch has a fixed cost", () => {
      for (const seed of seeds) {
        const growth = new BatchGrowth(64)
        run(growth, withFixedCost, { seed, batches: 300, noise })
        const limits = run(growth, withFixedCost, { seed: seed + 1000, batches: 1000, noise })
        assert.isAtLeast(shareOf(limits, (limit) => limit === 64), 0.9, `seed ${seed}`)
      }
    })

    it("stops where growing pays no longer", () => {
      for (const seed of seeds) {
        const growth = new BatchGrowth(64)
        run(growth, knee, { seed, batches: 500, noise })
        const limits = run(growth, knee, { seed: seed + 1000, batches: 1000, noise })
        assert.isAtLeast(shareOf(limits, (limit) => limit === 8), 0.9, `seed ${seed}`)
      }
    })
  })

  it("tries another size in at most one batch of 32, once it knows its neighbours", () => {
    const growth = new BatchGrowth(64)
    run(growth, knee, { seed: 1, batches: 500, noise: 0 })
    const limits = run(growth, knee, { seed: 2, batches: 3200, noise: 0 })
    assert.isAtMost(shareOf(limits, (limit) => limit !== 8), 1 / 32)
    assert.includeMembers(limits.slice(), [4, 16])
  })

  it("falls back when large batches pay no longer, and grows again when they do", () => {
    const growth = new BatchGrowth(8)
    run(growth, withFixedCost, { seed: 1, batches: 300, noise: 0.05 })
    assert.strictEqual(growth.limit, 8)
    run(growth, transformer, { seed: 2, batches: 3000, noise: 0.05 })
    assert.isAtMost(growth.limit, 2)
    const limits = run(growth, withFixedCost, { seed: 3, batches: 6000, noise: 0.05 })
    assert.strictEqual(Math.max(...limits.slice(-100)), 8)
  })

  it("does not take a slower machine for larger batches that do not pay", () => {
    const growth = new BatchGrowth(64)
    run(growth, withFixedCost, { seed: 1, batches: 500, noise: 0.05 })
    const limits = run(growth, (items, cost) => 3 * withFixedCost(items, cost), { seed: 2, batches: 500, noise: 0.05 })
    assert.isAtLeast(shareOf(limits, (limit) => limit === 64), 0.9)
  })

  it("ends a trial that no batch fills", () => {
    const growth = new BatchGrowth(64)
    const limits = Array.from({ length: 200 }, () => {
      const { limit } = growth
      growth.observe(1, 100, 10)
      return limit
    })
    assert.isAbove(shareOf(limits, (limit) => limit === 1), 0.2)
    assert.isAtMost(Math.max(...limits), 2)
  })

  it("ignores durations that say nothing", () => {
    const growth = new BatchGrowth(64)
    for (let i = 0; i < 100; i++) growth.observe(growth.limit, growth.limit, i % 2 === 0 ? 0 : Number.NaN)
    assert.isTrue(growth.limit >= 1 && growth.limit <= 2)
  })
})
