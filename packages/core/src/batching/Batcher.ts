/**
 * Collects the rows of many requests into batches: at once while an instance is idle, by the planner while all are busy.
 */
import { InstanceLost, Overloaded } from "@sluice/domain/Errors"
import type { Priority } from "@sluice/domain/PredictRequest"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { HostedModel, Instance } from "../execution/ModelHost.ts"
import type { ItemOutput } from "../ItemOutput.ts"
import { monotonicMs } from "../Monotonic.ts"
import type { VersionMetrics } from "../telemetry/Metrics.ts"
import { currentSpan, withBatchSpan } from "../telemetry/Spans.ts"
import { makeBatchRun, type RowError } from "./BatchRun.ts"
import { makeWaitingRows, type Waiter, type WaitingOptions, type WaitingRow } from "./WaitingRows.ts"

export interface BatchRow {
  readonly inputs: TensorMap
  readonly cost: number
}

/** One row's answer. Times in milliseconds: from arrival to dispatch, and in the plugin's `run`. */
export interface RowOutput extends ItemOutput {
  readonly queueMs: number
  readonly computeMs: number
}

export type RowResult = Result.Result<RowOutput, RowError>

export interface QueueOptions extends WaitingOptions {
  readonly model: string
  readonly version: string
  readonly metrics: VersionMetrics
}

/** The queue of one model version. */
export interface BatchQueue {
  /**
   * Answers each row in its place. Refuses at once with `Overloaded` when the rows do not fit into the queue; rows whose
   * caller was interrupted are dropped before they are computed.
   */
  readonly submit: (
    rows: ReadonlyArray<BatchRow>,
    priority: Priority
  ) => Effect.Effect<ReadonlyArray<RowResult>, Overloaded>
}

/** A request that has no answer yet. */
interface Pending extends Waiter {
  readonly answer: Deferred.Deferred<ReadonlyArray<RowResult>>
  readonly results: Array<RowResult>
  readonly span: Tracer.AnySpan | undefined
  /** How many rows have no result. */
  open: number
}

/** How long a refused caller is told to wait: what is queued, at the pace of the last batch. Milliseconds. */
const drainMs = (waiting: number, batchMs: number, batchSize: number): number =>
  Math.max(10, Math.ceil(Math.ceil(waiting / Math.max(1, batchSize)) * batchMs))

/** How long a caller whose queue was closed is told to wait, in milliseconds. */
const reopenMs = 1000

const open = Effect.fnUntraced(function*(hosted: HostedModel, options: QueueOptions) {
  const { metrics, model, version } = options
  const scope = yield* Effect.scope
  const waiting = yield* makeWaitingRows<Pending>(options)
  const run = makeBatchRun(hosted, options)
  const lost: RowResult = Result.fail(new InstanceLost({ model, version, retryAfterMs: reopenMs }))
  const unanswered = new Set<Pending>()
  let closed = false
  let lastBatch = { ms: 50, size: 1 }

  const finish = (request: Pending): void => {
    unanswered.delete(request)
    Deferred.doneUnsafe(request.answer, Effect.succeed(request.results))
  }

  const execute = (instance: Instance, batch: ReadonlyArray<WaitingRow<Pending>>) =>
    Effect.gen(function*() {
      const startedMs = yield* monotonicMs
      metrics.batch(batch.length)
      for (const { request } of batch) metrics.queueDelay((startedMs - request.arrivedMs) / 1000)
      const results = yield* run(instance, batch.map((row) => row.inputs))
      const ms = (yield* monotonicMs) - startedMs
      metrics.stage("compute", ms / 1000)
      lastBatch = { ms, size: batch.length }
      batch.forEach(({ cost, index, request }, i) => {
        const queueMs = startedMs - request.arrivedMs
        request.results[index] = Result.map(results[i]!, (computed) => ({ ...computed, cost, queueMs }))
        if (--request.open === 0) finish(request)
      })
    }).pipe(
      withBatchSpan("ModelHost.run", batch.map((row) => row.request.span), {
        model,
        version,
        "batch.size": batch.length
      }),
      Effect.ensuring(hosted.giveBack(instance))
    )

  const dispatch = Effect.gen(function*() {
    const instance = yield* hosted.acquire
    yield* waiting.collect
    // An instance that ended while it was held idle is not asked: its replacement comes by the next `acquire`.
    const batch = instance.alive() ? waiting.takeBatch() : []
    if (batch.length === 0) return yield* hosted.giveBack(instance)
    yield* Effect.forkIn(execute(instance, batch), scope, { startImmediately: true })
  })

  // Added before the fibers start, so that it runs after they have ended: whoever they left unanswered hears of it.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      unanswered.forEach(finish)
    })
  )
  yield* Effect.forkScoped(Effect.forever(dispatch))

  const submit = Effect.fnUntraced(function*(rows: ReadonlyArray<BatchRow>, priority: Priority) {
    if (rows.length === 0) return []
    const request: Pending = {
      answer: Deferred.makeUnsafe(),
      results: rows.map(() => lost),
      arrivedMs: yield* monotonicMs,
      span: yield* currentSpan,
      open: rows.length,
      waiting: 0,
      abandoned: false
    }
    const leave = Effect.suspend(() => {
      unanswered.delete(request)
      return waiting.abandon(request)
    })
    // Admission and entry are one step, and an interruption comes before it or finds the caller waiting.
    return yield* Effect.uninterruptibleMask((restore): Effect.Effect<ReadonlyArray<RowResult>, Overloaded> => {
      if (closed) return Effect.succeed(request.results)
      if (!waiting.admits(rows.length)) {
        const retryAfterMs = drainMs(waiting.length(), lastBatch.ms, lastBatch.size)
        return Effect.fail(new Overloaded({ model, version, retryAfterMs }))
      }
      unanswered.add(request)
      waiting.add(request, rows.map((row, index) => ({ ...row, request, index, priority })))
      return Effect.onInterrupt(restore(Deferred.await(request.answer)), () => leave)
    })
  })
  return { submit }
})

export class Batcher extends Context.Service<Batcher, {
  /** Opens the queue of a version over its instances. When the scope closes, callers without an answer are told so. */
  readonly open: (model: HostedModel, options: QueueOptions) => Effect.Effect<BatchQueue, never, Scope.Scope>
}>()("sluice/core/Batcher") {
  static readonly layer = Layer.succeed(Batcher, { open })
}
