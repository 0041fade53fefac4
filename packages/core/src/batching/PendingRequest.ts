/**
 * A request that has no answer yet, and its rows on their way through the queue.
 */
import type { DeadlineExceeded } from "@sluice/domain/Errors"
import type * as Result from "effect/Result"
import { type Member, nowhere } from "../Roster.ts"
import type { Plannable } from "./PlanBatch.ts"
import type { RowResult, Submission } from "./Submission.ts"

export type Settle = (outcome: Result.Result<ReadonlyArray<RowResult>, DeadlineExceeded>) => void

export interface PendingRequest extends Member {
  readonly submission: Submission
  /** Monotonic, in milliseconds; Infinity for none. */
  readonly deadlineMs: number
  readonly arrivedMs: number
  /** When it was predicted to be finished, in milliseconds from its arrival; 0 where nothing was known. */
  predictedMs: number
  /** In the order of its rows; what stands there before a row is computed is what is told when the queue closes. */
  readonly results: Array<RowResult>
  readonly settle: Settle
  readonly rows: Array<QueuedRow>
  /** How many rows have no result. */
  open: number
  /** How many rows wait. */
  waiting: number
  settled: boolean
}

export interface QueuedRow extends Plannable {
  readonly request: PendingRequest
  /** Its place in the request. */
  readonly index: number
  /** Its instance ended while it computed this row, which is tried once more. */
  readonly lostBefore: boolean
  waits: boolean
}

export const pendingRequest = (
  submission: Submission,
  arrivedMs: number,
  unanswered: RowResult,
  settle: Settle
): PendingRequest => ({
  submission,
  deadlineMs: submission.deadlineMs,
  arrivedMs,
  predictedMs: 0,
  results: submission.rows.map(() => unanswered),
  settle,
  rows: [],
  open: submission.rows.length,
  waiting: 0,
  settled: false,
  place: nowhere
})

/** The rows of a request, each due at its own time. */
export const queuedRows = (request: PendingRequest, due: ReadonlyArray<number>): ReadonlyArray<QueuedRow> => {
  const { consistent, priority, rows } = request.submission
  return rows.map(({ cost, inputs }, index) => ({
    inputs,
    cost,
    priority,
    consistent,
    arrivedMs: request.arrivedMs,
    dueMs: due[index]!,
    request,
    index,
    lostBefore: false,
    waits: true
  }))
}
