/**
 * Collects the rows of many requests into batches: at once while an instance is idle, by the planner while all are busy.
 */
import { InstanceLost, ModelFailed, Overloaded } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { Priority } from "@sluice/domain/PredictRequest"
import type { TensorMap } from "@sluice/domain/Tensor"
import { splitRows, stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Tracer from "effect/Tracer"
import type { HostedModel, Instance } from "../execution/ModelHost.ts"
import { checkOutputs } from "../execution/OutputCheck.ts"
import type { ItemOutput } from "../ItemOutput.ts"
import { monotonicMs } from "../Monotonic.ts"
import type { VersionMetrics } from "../telemetry/Metrics.ts"
import { type BatchLimits, planBatch } from "./BatchPlanner.ts"

export interface BatchRow {
  readonly inputs: TensorMap
  readonly cost: number
}

/** One row's answer. Times in milliseconds: from arrival to dispatch, and in the plugin's `run`. */
export interface RowOutput extends ItemOutput {
  readonly queueMs: number
  readonly computeMs: number
}

export type RowError = ModelFailed | InstanceLost
export type RowResult = Result.Result<RowOutput, RowError>

export interface QueueOptions extends BatchLimits {
  readonly model: string
  readonly version: string
  /** How long to collect from the first arrival on, in milliseconds; 0 dispatches what is there. */
  readonly windowMs: number
  /** How many items may wait. A request with more is admitted while nothing waits. */
  readonly queueCapacity: number
  readonly padding: Readonly<Record<string, number>>
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

/** The rows of one request. */
interface Group {
  readonly answer: Deferred.Deferred<ReadonlyArray<RowResult>>
  readonly results: Array<RowResult>
  readonly arrivedMs: number
  readonly span: Option.Option<Tracer.AnySpan>
  open: number
  queued: number
  abandoned: boolean
}

interface Waiting extends BatchRow {
  readonly group: Group
  readonly index: number
  readonly priority: Priority
}

/** How long a refused caller is told to wait: what is queued, at the pace of the last batch. Milliseconds. */
const drainMs = (waiting: number, batchMs: number, batchSize: number): number =>
  Math.max(10, Math.ceil(waiting / Math.max(1, batchSize)) * batchMs)

export class Batcher extends Context.Service<Batcher, {
  /** Opens the queue of a version over its instances; both end with the scope. */
  readonly open: (model: HostedModel, options: QueueOptions) => Effect.Effect<BatchQueue, never, Scope.Scope>
}>()("sluice/core/Batcher") {
  static readonly layer = Layer.succeed(Batcher, {
    open: Effect.fnUntraced(function*(hosted: HostedModel, options: QueueOptions) {
      const scope = yield* Effect.scope
      const { metrics, model, padding, version } = options
      const queue = yield* Queue.unbounded<Waiting>()
      let buffer: ReadonlyArray<Waiting> = []
      let queued = 0
      let lastBatch = { ms: 50, size: 1 }

      const leave = (group: Group, rows: number): void => {
        group.queued -= rows
        queued -= rows
        metrics.queueLength(queued)
      }
      const settle = (row: Waiting, result: RowResult): void => {
        row.group.results[row.index] = result
        if (--row.group.open === 0) Deferred.doneUnsafe(row.group.answer, Effect.succeed(row.group.results))
      }

      const live = (rows: ReadonlyArray<Waiting>) => rows.filter((row) => !row.group.abandoned)

      /** Waits for work, and takes in all that has arrived; with a window, also what arrives until it closes. */
      const collect = Effect.fnUntraced(function*() {
        buffer = live([...buffer, ...(yield* Queue.clear(queue))])
        while (buffer.length === 0) {
          const first = yield* Queue.take(queue)
          buffer = live([first, ...(yield* Queue.clear(queue))])
        }
        const closesMs = buffer[0]!.group.arrivedMs + options.windowMs
        while (options.windowMs > 0 && buffer.length < options.maxBatchSize) {
          const remaining = closesMs - (yield* monotonicMs)
          const next = remaining <= 0 ? Option.none() : yield* Effect.timeoutOption(Queue.take(queue), remaining)
          if (Option.isNone(next)) break
          buffer = [...buffer, next.value]
        }
        buffer = live(buffer)
      })

      const runRows = Effect.fnUntraced(function*(instance: Instance, rows: ReadonlyArray<Waiting>) {
        const ran = yield* instance.run(stackRows(rows.map((row) => row.inputs), padding))
        const wrong = checkOutputs(hosted.signature, ran.outputs, rows.length)
        if (wrong !== undefined) {
          yield* Effect.logError(`${modelId(model, version)} broke its signature: ${wrong}`)
          return yield* new ModelFailed({ model, version })
        }
        return { ...ran, rows: hosted.signature.batchable ? splitRows(ran.outputs, rows.length) : [ran.outputs] }
      })

      /** A failed batch is computed row by row, so that only the row at fault fails its caller. */
      const runIsolated: (
        instance: Instance,
        rows: ReadonlyArray<Waiting>,
        startedMs: number
      ) => Effect.Effect<void> = Effect.fnUntraced(function*(instance, rows, startedMs) {
        const outcome = yield* Effect.result(runRows(instance, rows))
        if (Result.isFailure(outcome)) {
          if (rows.length > 1 && outcome.failure._tag === "ModelFailed") {
            for (const row of rows) yield* runIsolated(instance, [row], startedMs)
            return
          }
          for (const row of rows) settle(row, Result.fail(outcome.failure))
          return
        }
        const { computeMs, rows: outputs } = outcome.success
        rows.forEach((row, i) =>
          settle(
            row,
            Result.succeed({
              outputs: outputs[i]!,
              cost: row.cost,
              queueMs: startedMs - row.group.arrivedMs,
              computeMs
            })
          )
        )
      })

      const execute = (instance: Instance, rows: ReadonlyArray<Waiting>) =>
        Effect.gen(function*() {
          const startedMs = yield* monotonicMs
          metrics.batch(rows.length)
          for (const row of rows) metrics.queueDelay((startedMs - row.group.arrivedMs) / 1000)
          yield* runIsolated(instance, rows, startedMs)
          const ms = (yield* monotonicMs) - startedMs
          metrics.stage("compute", ms / 1000)
          lastBatch = { ms, size: rows.length }
        }).pipe(
          Effect.withSpan("ModelHost.run", {
            attributes: { model, version, "batch.size": rows.length },
            links: [...new Set(rows.map((row) => row.group))].flatMap((group) =>
              Option.isSome(group.span) ? [{ span: group.span.value, attributes: {} }] : []
            )
          }),
          Effect.ensuring(hosted.giveBack(instance))
        )

      const dispatch = Effect.gen(function*() {
        const instance = yield* hosted.acquire
        yield* collect()
        // An instance that ended while it was held idle is not asked: its replacement comes by the next `acquire`.
        if (buffer.length === 0 || !instance.alive()) return yield* hosted.giveBack(instance)
        const { batch, rest } = planBatch(buffer, options, padding)
        buffer = rest
        for (const row of batch) leave(row.group, 1)
        yield* Effect.forkIn(execute(instance, batch), scope, { startImmediately: true })
      })
      yield* Effect.forkScoped(Effect.forever(dispatch))

      return {
        submit: Effect.fnUntraced(function*(rows: ReadonlyArray<BatchRow>, priority: Priority) {
          if (queued > 0 && queued + rows.length > options.queueCapacity) {
            return yield* new Overloaded({ model, version, retryAfterMs: drainMs(queued, lastBatch.ms, lastBatch.size) })
          }
          const group: Group = {
            answer: Deferred.makeUnsafe(),
            results: [],
            arrivedMs: yield* monotonicMs,
            span: yield* Effect.option(Effect.currentParentSpan),
            open: rows.length,
            queued: 0,
            abandoned: false
          }
          leave(group, -rows.length)
          yield* Queue.offerAll(queue, rows.map((row, index) => ({ ...row, group, index, priority })))
          return yield* Effect.onInterrupt(Deferred.await(group.answer), () =>
            Effect.sync(() => {
              group.abandoned = true
              leave(group, group.queued)
              metrics.abandoned()
            }))
        })
      }
    })
  })
}
