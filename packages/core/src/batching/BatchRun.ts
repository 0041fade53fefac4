/**
 * Runs one batch on an instance, and gives each row an outcome of its own. A batch that failed is halved until the rows
 * at fault are alone, so that only they fail.
 */
import { ModelFailed } from "@sluice/domain/Errors"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import { splitRows, stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as Result from "effect/Result"
import type { Instance, Ran, RunError } from "../execution/HostedModel.ts"
import { checkOutputs } from "../execution/OutputCheck.ts"

export type RowError = RunError

export interface ComputedRow {
  readonly outputs: TensorMap
  /** Time in the plugin's `run` of the row's batch, in milliseconds. */
  readonly computeMs: number
}

export type RowOutcome = Result.Result<ComputedRow, RowError>

/**
 * `done` is called once, never before the call has returned, with one outcome for each row in their order, and with the
 * time in the plugin's `run` where one run computed them all.
 */
export type BatchRun = (
  instance: Instance,
  rows: ReadonlyArray<TensorMap>,
  done: (outcomes: ReadonlyArray<RowOutcome>, computeMs: number | undefined) => void
) => void

export interface BatchRunOptions {
  readonly model: string
  readonly version: string
  readonly signature: ModelSignature
  readonly padding: Readonly<Record<string, number>>
  /** Told why a batch failed here rather than in the plugin. */
  readonly report: (reason: string) => void
}

/** Buffers of a batch are moved to the worker, so a lone row is copied like those that are stacked: it stays its caller's. */
const copyRow = (row: TensorMap): TensorMap => {
  const copy: Record<string, TensorMap[string]> = {}
  for (const name of Object.keys(row)) {
    const tensor = row[name]!
    copy[name] = ArrayBuffer.isView(tensor.data) ? { ...tensor, data: tensor.data.slice() } : tensor
  }
  return copy
}

export const makeBatchRun = ({ model, padding, report, signature, version }: BatchRunOptions): BatchRun => {
  const fail = (reason: string) => {
    report(reason)
    return Result.fail(new ModelFailed({ model, version }))
  }

  const split = ({ computeMs, outputs }: Ran, rows: number): ReadonlyArray<RowOutcome> | string =>
    checkOutputs(signature, outputs, rows) ??
      (signature.batchable ? splitRows(outputs, rows) : [outputs]).map((row) =>
        Result.succeed({ outputs: row, computeMs })
      )

  const outcomesOf = (ran: Ran, rows: number): Result.Result<ReadonlyArray<RowOutcome>, ModelFailed> => {
    const outcomes = Result.try(() => split(ran, rows))
    if (Result.isFailure(outcomes)) return fail(String(outcomes.failure))
    return typeof outcomes.success === "string"
      ? fail(`it broke its signature: ${outcomes.success}`)
      : Result.succeed(outcomes.success)
  }

  const stack = (rows: ReadonlyArray<TensorMap>): Result.Result<TensorMap, ModelFailed> => {
    const stacked = Result.try(() => rows.length === 1 ? copyRow(rows[0]!) : stackRows(rows, padding))
    return Result.isSuccess(stacked) ? Result.succeed(stacked.success) : fail(String(stacked.failure))
  }

  const run: BatchRun = (instance, rows, done) => {
    const failAll = (error: RowError) => done(rows.map(() => Result.fail(error)), undefined)
    const inputs = stack(rows)
    if (Result.isFailure(inputs)) return queueMicrotask(() => failAll(inputs.failure))
    instance.run(inputs.success, (result) => {
      const outcomes = Result.flatMap(result, (ran) => outcomesOf(ran, rows.length))
      if (Result.isSuccess(outcomes)) {
        return done(outcomes.success, Result.isSuccess(result) ? result.success.computeMs : undefined)
      }
      if (rows.length === 1 || outcomes.failure._tag === "InstanceLost") return failAll(outcomes.failure)
      const half = rows.length >> 1
      run(
        instance,
        rows.slice(0, half),
        (first) => run(instance, rows.slice(half), (second) => done([...first, ...second], undefined))
      )
    })
  }
  return run
}
