/**
 * The rows that wait for an instance: bounded, in order of arrival, without those whose caller has left.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { monotonicMs } from "../Monotonic.ts"
import { type BatchLimits, planBatch, type Plannable } from "./BatchPlanner.ts"

/** A request as far as its rows wait here. */
export interface Waiter {
  readonly arrivedMs: number
  /** How many of its rows wait. */
  waiting: number
  /** Its caller has left. */
  abandoned: boolean
}

export interface WaitingRow<Request extends Waiter> extends Plannable {
  readonly request: Request
  /** Its place in the request. */
  readonly index: number
}

export interface WaitingOptions extends BatchLimits {
  /** How long to collect from the first arrival on, in milliseconds; 0 dispatches what is there. */
  readonly windowMs: number
  /** How many rows may wait. A request with more is admitted while nothing waits. */
  readonly queueCapacity: number
  readonly padding: Readonly<Record<string, number>>
  readonly metrics: { readonly queueLength: (rows: number) => void }
}

export interface WaitingRows<Request extends Waiter> {
  readonly length: () => number
  readonly admits: (rows: number) => boolean
  readonly add: (request: Request, rows: ReadonlyArray<WaitingRow<Request>>) => void
  /** Its rows wait no longer. */
  readonly abandon: (request: Request) => Effect.Effect<void>
  /** Waits until there are rows, and with a window also for what arrives until it closes or the batch is full. */
  readonly collect: Effect.Effect<void>
  /** The next batch of those collected; empty if all their callers have left. */
  readonly takeBatch: () => ReadonlyArray<WaitingRow<Request>>
}

const live = <Request extends Waiter>(rows: ReadonlyArray<WaitingRow<Request>>) =>
  rows.filter((row) => !row.request.abandoned)

export const makeWaitingRows = Effect.fnUntraced(function*<Request extends Waiter>(options: WaitingOptions) {
  const arrived = yield* Queue.unbounded<WaitingRow<Request>>()
  let collected: ReadonlyArray<WaitingRow<Request>> = []
  let length = 0
  /** Rows of callers who have left, at most: they are kept until there are more of them than of others. */
  let dead = 0

  const count = (request: Request, rows: number): void => {
    request.waiting += rows
    length += rows
    options.metrics.queueLength(length)
  }

  const gather = Effect.map(Queue.clear(arrived), (rows) => {
    collected = live([...collected, ...rows])
    dead = 0
  })

  /** Whoever collects may be waiting for the next arrival, so what has arrived stays where it is. */
  const removeDead = Effect.map(Queue.clear(arrived), (rows) => {
    collected = live(collected)
    dead = 0
    Queue.offerAllUnsafe(arrived, live(rows))
  })

  const collect = Effect.gen(function*() {
    yield* gather
    while (collected.length === 0) {
      collected = [yield* Queue.take(arrived)]
      yield* gather
    }
    if (options.windowMs === 0) return
    const closesMs = collected[0]!.request.arrivedMs + options.windowMs
    while (collected.length < options.maxBatchSize) {
      const remaining = closesMs - (yield* monotonicMs)
      if (remaining <= 0) return
      const next = yield* Effect.timeoutOption(Queue.take(arrived), remaining)
      if (Option.isNone(next)) return
      collected = [...collected, next.value]
      yield* gather
    }
  })

  return {
    length: () => length,
    admits: (rows) => length === 0 || length + rows <= options.queueCapacity,
    add: (request, rows) => {
      count(request, rows.length)
      Queue.offerAllUnsafe(arrived, rows)
    },
    abandon: (request) =>
      Effect.suspend(() => {
        request.abandoned = true
        dead += request.waiting
        count(request, -request.waiting)
        return dead > length ? removeDead : Effect.void
      }),
    collect,
    takeBatch: () => {
      const { batch, rest } = planBatch(dead === 0 ? collected : live(collected), options, options.padding)
      collected = rest
      for (const { request } of batch) count(request, -1)
      return batch
    }
  } satisfies WaitingRows<Request>
})
