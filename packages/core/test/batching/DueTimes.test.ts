import { assert, describe, it } from "@effect/vitest"
import { dueTimes, paceMs } from "@sluice/core/batching/DueTimes"
import { WaitingQueue } from "@sluice/core/batching/WaitingQueue"
import * as fc from "fast-check"
import { noLimits, type Row, rowOf } from "./PlannedRows.ts"
import { seeded } from "./Seeded.ts"

const request = { deadlineMs: 1000, arrivedMs: 100, costs: [1], runMs: 90, msPerCost: 2, sharers: 1 }

describe("dueTimes", () => {
  it.each<[string, Partial<typeof request>, ReadonlyArray<number>]>([
    ["a single row at its deadline", {}, [1000]],
    ["the rows of one request one after another", { costs: [1, 3, 1] }, [1000, 1008, 1032]],
    ["further apart the more requests share", { costs: [1, 1, 1], sharers: 3 }, [1000, 1032, 1064]],
    ["a row without a deadline a second after its arrival", { deadlineMs: Infinity }, [1_100]],
    ["a row with much time a second after its arrival", { deadlineMs: 60_000 }, [1_100]],
    ["a short row before long ones that came a little earlier", { runMs: 25, deadlineMs: 1_100 }, [500]],
    ["nothing of a request without rows", { costs: [] }, []]
  ])("puts %s", (_, options, expected) => {
    assert.deepStrictEqual(dueTimes({ ...request, ...options }), expected)
  })

  it("never falls within a request, and keeps requests without a deadline in order of arrival", () => {
    const costs = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 50 })
    fc.assert(fc.property(costs, fc.nat(1000), fc.nat(1000), (costs, arrivedMs, laterMs) => {
      const due = dueTimes({ ...request, costs, deadlineMs: Infinity, arrivedMs })
      assert.strictEqual(due.length, costs.length)
      assert.deepStrictEqual(due, due.toSorted((a, b) => a - b))
      const later = dueTimes({ ...request, deadlineMs: Infinity, arrivedMs: arrivedMs + laterMs })
      assert.isAtLeast(later[0]!, due[0]!)
    }))
  })
})

describe("paceMs", () => {
  it("is what a unit of cost takes in a full batch, over all instances", () => {
    assert.strictEqual(paceMs((cost) => 5 + cost, 10, 3), 0.5)
    assert.strictEqual(paceMs(() => 0, 10, 1), 0)
  })
})

describe("a large request among others", () => {
  const batchItems = 32

  /** One instance, arrivals by the schedule; gives the duration of each request until its last row, and of a batch. */
  const serve = (options: {
    readonly large: ReadonlyArray<{ readonly arrivesMs: number; readonly rows: number }>
    readonly singleEveryMs: number
    readonly batchMs: (items: number) => number
    readonly timeoutMs: number
    readonly untilMs: number
  }) => {
    const { batchMs, large, singleEveryMs, timeoutMs, untilMs } = options
    const random = seeded(7)
    const arrivals = large.map(({ arrivesMs, rows }) => ({ arrivesMs, rows }))
    for (let ms = 0; ms < untilMs; ms += 2 * singleEveryMs * random()) arrivals.push({ arrivesMs: ms, rows: 1 })
    arrivals.sort((a, b) => a.arrivesMs - b.arrivesMs)
    const queue = new WaitingQueue<Row>()
    const msPerCost = paceMs(batchMs, batchItems, 1)
    const open = new Map<number, number>()
    const finished: Array<{ readonly rows: number; readonly tookMs: number }> = []
    let next = 0
    let nowMs = 0
    while (next < arrivals.length || queue.length > 0) {
      if (queue.length === 0) nowMs = Math.max(nowMs, arrivals[next]!.arrivesMs)
      for (; next < arrivals.length && arrivals[next]!.arrivesMs <= nowMs; next++) {
        const { arrivesMs, rows } = arrivals[next]!
        const sharers = [...open.keys()].filter((id) => arrivals[id]!.rows > batchItems).length + 1
        const due = dueTimes({
          deadlineMs: arrivesMs + timeoutMs,
          arrivedMs: arrivesMs,
          costs: Array.from({ length: rows }, () => 1),
          runMs: batchMs(1),
          msPerCost,
          sharers
        })
        queue.addAll(due.map((dueMs) => rowOf(next, { dueMs })))
        open.set(next, rows)
      }
      const batch = queue.take({ ...noLimits, maxBatchSize: batchItems }, {})
      nowMs += batchMs(batch.length)
      for (const { id } of batch) {
        const left = open.get(id)! - 1
        open.set(id, left)
        if (left > 0) continue
        open.delete(id)
        finished.push({ rows: arrivals[id]!.rows, tookMs: nowMs - arrivals[id]!.arrivesMs })
      }
    }
    return finished
  }

  it.each<[string, (items: number) => number, number]>([
    ["of a model with a high fixed cost", (items) => 5 + 0.02 * items, 10_000],
    ["of a model without one", (items) => items, 10_000],
    ["without deadlines", (items) => 1 + 0.5 * items, Infinity]
  ])("%s delays single rows by no more than two batches, and is itself done soon", (_, batchMs, timeoutMs) => {
    const full = batchMs(batchItems)
    const aloneMs = full * Math.ceil(5000 / batchItems)
    const finished = serve({
      large: [{ arrivesMs: 0, rows: 5000 }],
      // A quarter of what the machine can do.
      singleEveryMs: 4 * full / batchItems,
      batchMs,
      timeoutMs,
      untilMs: 2 * aloneMs
    })
    const large = finished.filter(({ rows }) => rows > 1)
    assert.strictEqual(large.length, 1)
    assert.isAtMost(large[0]!.tookMs, 1.6 * aloneMs)
    const singles = finished.filter(({ rows }) => rows === 1)
    assert.isAtMost(Math.max(...singles.map(({ tookMs }) => tookMs)), 3 * full)
  })

  it("shares with other large ones, and none waits for the other's end", () => {
    const batchMs = (items: number) => 1 + 0.5 * items
    const full = batchMs(batchItems)
    const aloneMs = full * Math.ceil(5000 / batchItems)
    const finished = serve({
      large: [{ arrivesMs: 0, rows: 5000 }, { arrivesMs: 1, rows: 500 }, { arrivesMs: 2, rows: 500 }],
      singleEveryMs: 4 * full / batchItems,
      batchMs,
      timeoutMs: 10_000,
      untilMs: 2 * aloneMs
    })
    const took = (size: number) => finished.filter(({ rows }) => rows === size).map(({ tookMs }) => tookMs)
    assert.isAtMost(Math.max(...took(500)), 0.85 * aloneMs)
    assert.isAtMost(Math.max(...took(5000)), 1.9 * aloneMs)
    assert.isAtMost(Math.max(...took(1)), 4 * full)
  })
})
