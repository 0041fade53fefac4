/**
 * How a version's queue is set up, and what it needs of the world around it.
 */
import type { VersionMetrics } from "../telemetry/Metrics.ts"
import type { BatchRun } from "./BatchRun.ts"
import type { Submission } from "./Submission.ts"

export interface QueueLimits {
  readonly maxBatchSize: number
  /** Batches are as large as allowed, whether that raises throughput or not. */
  readonly fixedBatchSize: boolean
  /** Padded cost: items × the costliest of them. */
  readonly maxBatchCost: number
  /** The share of a batch's padded cost that may be padding, 0 to 1. */
  readonly maxPaddedWaste: number
  /** No batch is formed that is predicted to take longer, in milliseconds. */
  readonly latencyTargetMs: number
  /** How long to collect from the first arrival on, in milliseconds; 0 dispatches what is there. */
  readonly windowMs: number
  /** How many rows may wait. A request counts for one batch at most, so that a large one leaves room for others. */
  readonly queueCapacity: number
}

export interface QueueOptions extends QueueLimits {
  readonly model: string
  readonly version: string
  readonly metrics: VersionMetrics
  /** By input name, what fills a row up to the batch's longest. */
  readonly padding: Readonly<Record<string, number>>
}

/** Calls back after so many milliseconds, unless the function that it returns was called before. */
export type Schedule = (delayMs: number, wake: () => void) => () => void

export interface QueueRuntime {
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  readonly schedule: Schedule
  /** 0 to 1. */
  readonly random: () => number
  readonly run: BatchRun
  /** Wraps the start of a batch in its span; calls `start` at once. `end` is to be called when the batch has ended. */
  readonly traced: (
    requests: ReadonlyArray<Submission["span"]>,
    batchSize: number,
    start: (end: () => void) => void
  ) => void
}
