/**
 * Runs one batch on an instance, and gives each row an answer of its own: what it gave, or why it gave nothing.
 */
import { type InstanceLost, ModelFailed } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { TensorMap } from "@sluice/domain/Tensor"
import { splitRows, stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { HostedModel, Instance } from "../execution/ModelHost.ts"
import { checkOutputs } from "../execution/OutputCheck.ts"

export type RowError = ModelFailed | InstanceLost

export interface ComputedRow {
  readonly outputs: TensorMap
  /** Time in the plugin's `run` of the row's batch, in milliseconds. */
  readonly computeMs: number
}

export type ComputedRows = ReadonlyArray<Result.Result<ComputedRow, RowError>>

/** One result for each row, in their order. */
export type BatchRun = (instance: Instance, rows: ReadonlyArray<TensorMap>) => Effect.Effect<ComputedRows>

/** Buffers of a batch are moved to the worker, so a lone row is copied like those that are stacked: it stays its caller's. */
const copyRow = (row: TensorMap): TensorMap =>
  Object.fromEntries(
    Object.entries(row).map((
      [name, tensor]
    ) => [name, ArrayBuffer.isView(tensor.data) ? { ...tensor, data: tensor.data.slice() } : tensor])
  )

export const makeBatchRun = (
  { signature }: HostedModel,
  { model, padding, version }: {
    readonly model: string
    readonly version: string
    readonly padding: Readonly<Record<string, number>>
  }
): BatchRun => {
  const failed = (reason: unknown) =>
    Effect.andThen(
      Effect.logError(`${modelId(model, version)} failed on a batch: ${String(reason)}`),
      new ModelFailed({ model, version })
    )

  const runTogether = (instance: Instance, rows: ReadonlyArray<TensorMap>) =>
    Effect.gen(function*() {
      const [first, ...others] = rows
      if (first === undefined) return []
      const ran = yield* instance.run(others.length === 0 ? copyRow(first) : stackRows(rows, padding))
      const wrong = checkOutputs(signature, ran.outputs, rows.length)
      if (wrong !== undefined) return yield* failed(`it broke its signature: ${wrong}`)
      const outputs = signature.batchable ? splitRows(ran.outputs, rows.length) : [ran.outputs]
      return outputs.map((row) => Result.succeed({ outputs: row, computeMs: ran.computeMs }))
    }).pipe(Effect.catchDefect(failed))

  /** A batch that failed is run again row by row, so that only the row at fault fails. */
  const run: BatchRun = Effect.fnUntraced(function*(instance, rows) {
    const together = yield* Effect.result(runTogether(instance, rows))
    if (Result.isSuccess(together)) return together.success
    const error = together.failure
    if (rows.length === 1 || error._tag === "InstanceLost") return rows.map(() => Result.fail(error))
    return (yield* Effect.forEach(rows, (row) => run(instance, [row]))).flat()
  })
  return run
}
