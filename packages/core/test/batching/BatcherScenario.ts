/**
 * A batcher's queue over instances that the test holds in its hand, and answers in short.
 */
import { it } from "@effect/vitest"
import { Batcher } from "@sluice/core/batching/Batcher"
import type { QueueOptions } from "@sluice/core/batching/QueueOptions"
import type { BatchRow, RowResult } from "@sluice/core/batching/Submission"
import { monotonicReader } from "@sluice/core/Monotonic"
import { VersionMeters } from "@sluice/core/telemetry/VersionMeters"
import type { DeadlineExceeded, Overloaded } from "@sluice/domain/Errors"
import type { Priority } from "@sluice/domain/PredictRequest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { type Instances, names, rowInputs, valuesOf } from "./Instances.ts"

export const rowOf = (...values: ReadonlyArray<number>): BatchRow => ({
  inputs: rowInputs(...values),
  cost: values.length
})

/** A row's answer in short: its values, or its error's tag. */
export const short = (results: ReadonlyArray<RowResult>) =>
  results.map((result) => Result.isSuccess(result) ? valuesOf(result.success.outputs, "y") : result.failure._tag)

export const openQueue = Effect.fnUntraced(function*(instances: Instances, options: Partial<QueueOptions> = {}) {
  const batcher = yield* Batcher
  const meters = new VersionMeters(names.model, names.version)
  const queue = yield* batcher.open(instances.hosted, {
    ...names,
    maxBatchSize: 100,
    fixedBatchSize: true,
    maxBatchCost: Infinity,
    maxPaddedWaste: 1,
    latencyTargetMs: Infinity,
    windowMs: 0,
    queueCapacity: 1000,
    padding: {},
    metrics: meters,
    ...options
  })
  const now = yield* monotonicReader
  const submit = (
    rows: ReadonlyArray<BatchRow>,
    priority: Priority = "normal",
    timeoutMs = 60_000,
    consistent = false
  ): Effect.Effect<ReadonlyArray<RowResult>, Overloaded | DeadlineExceeded> =>
    Effect.callback((resume) => {
      const submission = { rows, priority, deadlineMs: now() + timeoutMs, timeoutMs, consistent, span: undefined }
      const submitted = queue.submit(submission, (outcome) => resume(Effect.fromResult(outcome)))
      if (Result.isSuccess(submitted)) return Effect.sync(submitted.success)
      resume(Effect.fail(submitted.failure))
    })
  /** Submits rows of one value each, and is on its way when this returns. */
  const start = (values: ReadonlyArray<number>, priority: Priority = "normal", timeoutMs = 60_000) =>
    Effect.forkChild(submit(values.map((value) => rowOf(value)), priority, timeoutMs), { startImmediately: true })
  return { submit, meters, start }
})

export const settled = TestClock.adjust(0)

export const scenario = <A, E>(effect: Effect.Effect<A, E, Batcher | Scope.Scope>) =>
  Effect.scoped(effect).pipe(Effect.provide([Batcher.layer, Logger.layer([])]))

export const test = (
  name: string,
  body: () => Generator<Effect.Effect<unknown, unknown, Batcher | Scope.Scope>, void, never>
) => it.effect(name, () => scenario(Effect.gen(body)))
