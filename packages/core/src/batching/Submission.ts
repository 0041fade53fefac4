/**
 * What a request asks of a version's queue, and what its rows get.
 */
import type { Priority } from "@sluice/domain/PredictRequest"
import type { TensorMap } from "@sluice/domain/Tensor"
import type * as Result from "effect/Result"
import type * as Tracer from "effect/Tracer"
import type { ItemOutput } from "../ItemOutput.ts"
import type { RowError } from "./BatchRun.ts"

export interface BatchRow {
  readonly inputs: TensorMap
  readonly cost: number
}

export interface Submission {
  readonly rows: ReadonlyArray<BatchRow>
  readonly priority: Priority
  /** When its caller stops waiting: monotonic, in milliseconds; Infinity if never. */
  readonly deadlineMs: number
  /** How long the caller allowed in all, for the error that says it was not enough. */
  readonly timeoutMs: number
  /** Each row is computed in a batch of its own. */
  readonly consistent: boolean
  /** The span that the batch's span is linked to; undefined while tracing is off. */
  readonly span: Tracer.AnySpan | undefined
}

/** One row's answer. Times in milliseconds: from arrival to the start of its batch, and in the plugin's `run`. */
export interface RowOutput extends ItemOutput {
  readonly queueMs: number
  readonly computeMs: number
}

export type RowResult = Result.Result<RowOutput, RowError>
