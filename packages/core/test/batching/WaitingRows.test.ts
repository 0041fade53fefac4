import { assert, describe, it } from "@effect/vitest"
import { makeWaitingRows, type Waiter } from "@sluice/core/batching/WaitingRows"
import * as Effect from "effect/Effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { rowInputs } from "./Instances.ts"

const options = {
  maxBatchSize: 100,
  maxBatchCost: Infinity,
  windowMs: 0,
  queueCapacity: 10,
  padding: {},
  metrics: { queueLength: () => {} }
}

setFlagsFromString("--expose-gc")
const collectGarbage: () => void = runInNewContext("gc")

const requestOf = (rows: number, value: number) => {
  const request: Waiter = { arrivedMs: 0, waiting: 0, abandoned: false }
  const waiting = Array.from({ length: rows }, (_, index) => ({
    inputs: rowInputs(value + index),
    cost: 1,
    priority: "normal" as const,
    request,
    index
  }))
  return { request, waiting }
}

describe("WaitingRows", () => {
  it.effect("gives the memory of those who left back, though nothing is taken out", () =>
    Effect.gen(function*() {
      const rows = yield* makeWaitingRows(options)
      const stayer = requestOf(2, 1)
      rows.add(stayer.request, stayer.waiting)
      const left: Array<WeakRef<object>> = []
      for (let i = 0; i < 100; i++) {
        const { request, waiting } = requestOf(5, 10)
        left.push(...waiting.map(({ inputs }) => new WeakRef(inputs)))
        rows.add(request, waiting)
        yield* rows.abandon(request)
      }
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      collectGarbage()
      // One caller's rows may still be there: those who left are removed when they outnumber the others.
      assert.isAtMost(left.filter((row) => row.deref() !== undefined).length, 5)
      yield* rows.collect
      assert.deepStrictEqual(rows.takeBatch(), stayer.waiting)
      assert.strictEqual(rows.length(), 0)
    }))
})
