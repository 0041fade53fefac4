import { assert, describe, it } from "@effect/vitest"
import { WaitingQueue } from "@sluice/core/batching/WaitingQueue"
import type { Priority } from "@sluice/domain/PredictRequest"
import * as fc from "fast-check"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import {
  assertWithin,
  ids,
  limitsArbitrary,
  noLimits,
  paddings,
  priorities,
  type Row,
  rowOf,
  type RowShape,
  shapes
} from "./PlannedRows.ts"

type Step =
  | { readonly do: "add"; readonly rows: ReadonlyArray<RowShape> }
  | { readonly do: "remove"; readonly of: number; readonly rows: number }
  | { readonly do: "take" }

const stepsArbitrary: fc.Arbitrary<ReadonlyArray<Step>> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("add" as const), rows: fc.array(shapes, { minLength: 1, maxLength: 3 }) }),
    // A large request: rows of one priority, due one after another.
    fc.tuple(shapes, fc.integer({ min: 9, max: 30 })).map(([shape, rows]) => ({
      do: "add" as const,
      rows: Array.from({ length: rows }, (_, i) => ({ ...shape, dueMs: shape.dueMs + i }))
    })),
    fc.record({ do: fc.constant("remove" as const), of: fc.nat(), rows: fc.integer({ min: 1, max: 12 }) }),
    fc.constant({ do: "take" as const })
  ),
  { maxLength: 60 }
)

const isBefore = (a: Row, b: Row): boolean => a.dueMs < b.dueMs || a.dueMs === b.dueMs && a.id < b.id

const areEqual = (a: Row, b: Row): boolean =>
  a.cost === b.cost && a.length === b.length && a.priority === b.priority && a.dueMs === b.dueMs &&
  a.consistent === b.consistent

/** What a caller sees of the queue, kept as a plain list. */
const aheadOf = (waiting: ReadonlyArray<Row>, priority: Priority, dueMs: number) => {
  const rank = priorities.indexOf(priority)
  const ahead = waiting.filter((row) =>
    priorities.indexOf(row.priority) < rank || row.priority === priority && row.dueMs <= dueMs
  )
  return { rows: ahead.length, cost: ahead.reduce((sum, { cost }) => sum + cost, 0) }
}

describe("WaitingQueue", () => {
  it("loses nobody, serves nobody twice, and agrees with a list at every step", () => {
    fc.assert(
      fc.property(stepsArbitrary, limitsArbitrary, paddings, (steps, limits, padding) => {
        const queue = new WaitingQueue<Row>()
        const all: Array<Row> = []
        let waiting: ReadonlyArray<Row> = []
        const take = () => {
          const batch = queue.take(limits, padding)
          assert.strictEqual(batch.length === 0, waiting.length === 0)
          assert.strictEqual(new Set(batch).size, batch.length)
          assert.isTrue(batch.every((row) => waiting.includes(row)))
          assertWithin(batch, limits, padding)
          waiting = waiting.filter((row) => !batch.includes(row))
          const [leader] = batch
          for (const left of waiting) {
            if (left.priority === leader!.priority) assert.isTrue(isBefore(leader!, left))
            assert.isFalse(batch.some((row) => areEqual(row, left) && row.id > left.id))
          }
        }
        for (const step of steps) {
          if (step.do === "add") {
            const rows = step.rows.map((shape, i) => rowOf(all.length + i, shape))
            for (const { dueMs, priority } of rows) {
              assert.deepStrictEqual(queue.ahead(priority, dueMs), aheadOf(waiting, priority, dueMs))
            }
            queue.addAll(rows)
            all.push(...rows)
            waiting = [...waiting, ...rows]
          } else if (step.do === "remove") {
            // Also rows that wait no longer: they are passed over.
            const start = all.length === 0 ? 0 : step.of % all.length
            const gone = all.slice(start, start + step.rows)
            queue.remove(gone)
            waiting = waiting.filter((row) => !gone.includes(row))
          } else take()
          assert.strictEqual(queue.length, waiting.length)
          assert.strictEqual(queue.cost, waiting.reduce((sum, { cost }) => sum + cost, 0))
        }
        while (waiting.length > 0) take()
        assert.strictEqual(queue.length, 0)
        assert.deepStrictEqual(queue.take(limits, padding), [])
      }),
      { numRuns: 150 }
    )
  }, 30_000)

  it("stays in order through long runs in which rows come and go on both ends", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(400)), { minLength: 300, maxLength: 600 }), (moves) => {
        const queue = new WaitingQueue<Row>()
        let waiting: ReadonlyArray<Row> = []
        moves.forEach(([kind, dueMs], id) => {
          if (kind === 0) {
            const [first] = queue.take({ ...noLimits, maxBatchSize: 1 }, {})
            const expected = waiting.toSorted((a, b) => a.dueMs - b.dueMs || a.id - b.id)[0]
            assert.strictEqual(first, expected)
            waiting = waiting.filter((row) => row !== first)
          } else {
            const row = rowOf(id, { dueMs: kind === 1 ? dueMs : id })
            queue.add(row)
            waiting = [...waiting, row]
          }
        })
        assert.deepStrictEqual(
          ids(queue.take({ ...noLimits, maxBatchSize: 1000 }, {})),
          ids(waiting.toSorted((a, b) => a.dueMs - b.dueMs || a.id - b.id))
        )
      }),
      { numRuns: 30 }
    )
  }, 30_000)

  it("serves the largest item after no more batches than there were rows ahead of it, whatever comes later", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 30 }),
        fc.array(fc.integer({ min: 0, max: 10 }), { minLength: 40, maxLength: 40 }),
        limitsArbitrary,
        (ahead, arrivals, limits) => {
          const queue = new WaitingQueue<Row>()
          for (let id = 0; id < ahead; id++) queue.add(rowOf(id, { dueMs: id }))
          const largest = rowOf(ahead, { cost: 1000, dueMs: ahead })
          queue.add(largest)
          const batches: Array<Row> = []
          for (const arrived of arrivals) {
            for (let i = 0; i < arrived; i++) queue.add(rowOf(-1, { dueMs: ahead + 1 + batches.length }))
            const batch = queue.take(limits, {})
            batches.push(batch[0]!)
            if (batch.includes(largest)) break
          }
          assert.isAtMost(batches.length, ahead + 1)
        }
      )
    )
  })

  it("lets rows of a lower priority that waited longer lead one batch in ten while higher ones never end", () => {
    fc.assert(
      fc.property(limitsArbitrary, fc.subarray(["normal", "low"] as const, { minLength: 1 }), (limits, lower) => {
        const queue = new WaitingQueue<Row>()
        for (const priority of lower) for (let i = 0; i < 20; i++) queue.add(rowOf(0, { priority, length: 2 }))
        const sinceLed = new Map<Priority, number>(lower.map((priority) => [priority, 0]))
        for (let batch = 0; batch < 100; batch++) {
          for (let i = 0; i < 20; i++) queue.add(rowOf(batch, { priority: "high" }))
          const led = queue.take({ ...limits, maxBatchSize: 1 }, {})[0]!.priority
          for (const priority of lower) {
            sinceLed.set(priority, led === priority ? 0 : sinceLed.get(priority)! + 1)
            assert.isBelow(sinceLed.get(priority)!, 10)
          }
        }
      })
    )
  })

  it("serves high before normal before low, and starts counting again when a level has led", () => {
    const queue = new WaitingQueue<Row>()
    for (let i = 0; i < 40; i++) {
      queue.add(rowOf(i, { priority: "high" }))
      queue.add(rowOf(i, { priority: "normal" }))
    }
    const led = Array.from({ length: 27 }, () => queue.take({ ...noLimits, maxBatchSize: 1 }, {})[0]!.priority)
    const round = [...Array.from({ length: 8 }, () => "high"), "normal"]
    assert.deepStrictEqual(led, [...round, ...round, ...round])
  })

  it("gives the memory of rows back at once when they are taken or removed", async () => {
    setFlagsFromString("--expose-gc")
    const collectGarbage: () => void = runInNewContext("gc")
    const queue = new WaitingQueue<Row>()
    const stayer = rowOf(0, { dueMs: 50 })
    queue.add(stayer)
    const left = (() => {
      const rows = Array.from({ length: 100 }, (_, id) => rowOf(id, { dueMs: id, cost: 1 + id % 3 }))
      for (const row of rows.slice(0, 50)) queue.add(row)
      queue.addAll(rows.slice(50))
      queue.remove([rows[0]!, rows[49]!, rows[99]!])
      queue.remove(rows.slice(10, 40))
      queue.remove([stayer])
      while (queue.length > 0) queue.take({ ...noLimits, maxBatchSize: 5 }, {})
      queue.add(stayer)
      return rows.map((row) => new WeakRef(row))
    })()
    await new Promise((resolve) => setImmediate(resolve))
    collectGarbage()
    assert.strictEqual(left.filter((row) => row.deref() !== undefined).length, 0)
    assert.deepStrictEqual(queue.take(noLimits, {}), [stayer])
  })
})
