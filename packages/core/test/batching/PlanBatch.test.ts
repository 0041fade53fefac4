import { assert, describe, it } from "@effect/vitest"
import { type BatchLimits, leadingLevel, lookahead, maxPassedBy, planBatch } from "@sluice/core/batching/PlanBatch"
import * as fc from "fast-check"
import { assertWithin, ids, limitsArbitrary, noLimits, paddings, type Row, rowOf, shapes } from "./PlannedRows.ts"

const levelOf = (rows: ReadonlyArray<Row>) => ({ length: rows.length, at: (place: number) => rows[place]! })

const plan = (
  levels: ReadonlyArray<ReadonlyArray<Row>>,
  limits: Partial<BatchLimits> = {},
  padding: Readonly<Record<string, number>> = {},
  lead = levels.findIndex((level) => level.length > 0)
) => planBatch(levels.map(levelOf), lead, { ...noLimits, ...limits }, padding)

const waiting = fc.tuple(
  fc.array(shapes, { minLength: 1, maxLength: 40 }),
  fc.array(shapes, { maxLength: 10 })
).map(([own, lower]) => {
  const all = [...own, ...lower].map((shape, id) => rowOf(id, shape))
  return [all.slice(0, own.length), all.slice(own.length)]
})

describe("planBatch", () => {
  it("keeps every limit, leads with the first row, and says where each row of the batch was", () => {
    fc.assert(fc.property(waiting, limitsArbitrary, paddings, (levels, limits, padding) => {
      const { places, rows } = plan(levels, limits, padding)
      assertWithin(rows, limits, padding)
      assert.strictEqual(rows[0], levels[0]![0])
      const found = places === undefined
        ? levels[0]!.slice(0, rows.length)
        : places.flatMap((taken, level) => taken.map((place) => levels[level]![place]!))
      assert.deepStrictEqual(ids(found).toSorted((a, b) => a - b), ids(rows).toSorted((a, b) => a - b))
      for (const taken of places ?? []) assert.deepStrictEqual(taken, taken.toSorted((a, b) => a - b))
    }))
  })

  it("leaves no row behind that would have fitted beside all that were taken, where nothing bounds the waste", () => {
    fc.assert(fc.property(waiting, limitsArbitrary, paddings, (levels, bounds, padding) => {
      const limits = { ...bounds, maxPaddedWaste: 1 }
      const { rows } = plan(levels, limits, padding)
      const left = levels.flat().filter((row) => !rows.includes(row))
      if (rows[0]!.consistent) return
      for (const row of left) assert.throws(() => assertWithin([...rows, row], limits, padding))
    }))
  })

  const costs = (...all: ReadonlyArray<number>) => [all.map((cost, id) => rowOf(id, { cost }))]

  it.each<[string, ReadonlyArray<ReadonlyArray<Row>>, Partial<BatchLimits>, ReadonlyArray<number>]>([
    ["the first rows up to the size", costs(1, 1, 1, 1), { maxBatchSize: 3 }, [0, 1, 2]],
    ["those whose cost is nearest to the first", costs(10, 400, 12, 9, 50), { maxBatchSize: 3 }, [0, 3, 2]],
    ["the costliest times the number of rows", costs(4, 4, 4, 4), { maxBatchCost: 12 }, [0, 1, 2]],
    ["only rows that do not make the others too costly", costs(2, 7, 2), { maxBatchCost: 12 }, [0, 2]],
    ["a row above the cost alone", costs(50, 1), { maxBatchCost: 12 }, [0]],
    ["a row above the latency target alone", costs(50, 50), { latencyTargetMs: 10, predictMs: (cost) => cost }, [0]],
    ["no more than the latency target allows", costs(4, 4, 4), { latencyTargetMs: 10, predictMs: (cost) => cost }, [
      0,
      1
    ]],
    ["no more padding than is allowed", costs(10, 10, 5, 6, 20), { maxPaddedWaste: 0.1 }, [0, 1]],
    ["a larger one where the padding is allowed", costs(10, 5, 6, 11), { maxPaddedWaste: 0.2 }, [0, 3, 2]],
    ["none whose equal before it was left", costs(10, 3, 17, 17, 17, 17, 3), { maxPaddedWaste: 0.3 }, [0, 2, 3, 4, 5]],
    ["equal costs only where nothing may be padded", costs(10, 11, 10, 10.001), { maxPaddedWaste: 0 }, [0, 2]],
    ["a consistent row alone", [[rowOf(0, { consistent: true }), rowOf(1)]], {}, [0]],
    ["no consistent row beside another", [[rowOf(0), rowOf(1, { consistent: true }), rowOf(2)]], {}, [0, 2]],
    ["lower levels in free places", [[rowOf(0)], [rowOf(1), rowOf(2)]], { maxBatchSize: 2 }, [0, 1]],
    [
      "its own level before a lower one that is nearer",
      [
        [rowOf(0, { cost: 5 }), rowOf(1, { cost: 9 })],
        [rowOf(2, { cost: 5 })]
      ],
      { maxBatchSize: 2 },
      [0, 1]
    ]
  ])("takes %s", (_, levels, limits, batch) => {
    assert.deepStrictEqual(ids(plan(levels, limits).rows), batch)
  })

  it("fills a batch led by a lower level with rows of a higher one", () => {
    assert.deepStrictEqual(ids(plan([[rowOf(0)], [rowOf(1)]], {}, {}, 1).rows), [1, 0])
  })

  it("takes rows of unequal shape together only where there is padding and it is allowed", () => {
    const rows = [[rowOf(0, { length: 2 }), rowOf(1, { length: 3 }), rowOf(2, { length: 2 })]]
    assert.deepStrictEqual(ids(plan(rows).rows), [0, 2])
    assert.deepStrictEqual(ids(plan(rows, {}, { ids: 0 }).rows), [0, 1, 2])
    assert.deepStrictEqual(ids(plan(rows, { maxPaddedWaste: 0 }, { ids: 0 }).rows), [0, 2])
  })

  it("looks at a bounded number of rows", () => {
    const far = Array.from({ length: 1000 }, (_, id) => rowOf(id, { cost: id === 0 ? 1 : 100 }))
    const bound = lookahead(4)
    const limits = { maxBatchSize: 4, maxPaddedWaste: 0.1 }
    const withEqual = (place: number) => [far.with(place, rowOf(place))]
    assert.deepStrictEqual(ids(plan(withEqual(bound - 1), limits).rows), [0, bound - 1])
    assert.deepStrictEqual(ids(plan(withEqual(bound), limits).rows), [0])
  })
})

describe("leadingLevel", () => {
  /** By level: how many rows wait, and since when the first does. */
  const level = ([length, arrivedMs]: readonly [number, number]) => ({ length, at: () => ({ arrivedMs }) })

  it.each<[string, ReadonlyArray<readonly [number, number]>, ReadonlyArray<number>, number]>([
    ["none while nothing waits", [[0, 0], [0, 0], [0, 0]], [0, 0, 0], -1],
    ["the highest that waits", [[0, 0], [2, 9], [2, 1]], [0, 0, 3], 1],
    ["one that was passed by too often and waits longer", [[5, 9], [0, 0], [2, 1]], [0, 0, maxPassedBy], 2],
    ["none that would be answered sooner than a higher one", [[5, 1], [0, 0], [2, 9]], [0, 0, maxPassedBy], 0],
    ["an empty one never", [[5, 9], [1, 9], [0, 0]], [0, 0, maxPassedBy], 0]
  ])("is %s", (_, waiting, passedBy, expected) => {
    assert.strictEqual(leadingLevel(waiting.map(level), passedBy), expected)
  })
})
