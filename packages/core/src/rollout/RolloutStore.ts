/**
 * Where rollouts are kept, for restarts and for the other processes that serve the same models: a port. It holds one state a
 * model, changed by compare and set, and what each process counted in the present step.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { RolloutCounts } from "./RolloutCounts.ts"
import { RolloutState } from "./RolloutState.ts"

/** The store could not be reached, or refused. Nothing was changed, as far as is known. */
export class RolloutStoreError extends Data.TaggedError("RolloutStoreError")<{
  readonly operation: "read" | "write" | "report" | "reports"
  readonly cause: unknown
}> {
  override get message() {
    const { cause } = this
    return `the store of rollouts failed at ${this.operation}: ${
      cause instanceof Error ? cause.message : String(cause)
    }`
  }
}

export class RolloutStore extends Context.Service<RolloutStore, {
  /** Undefined where nothing was kept, or nothing that can be read: that is logged. */
  readonly read: (model: string) => Effect.Effect<RolloutState | undefined, RolloutStoreError>
  /**
   * Keeps the state if the one that is kept has the expected revision (undefined: if there is none), and says whether it
   * did. Of several writers that expect the same, one is told so.
   */
  readonly write: (
    model: string,
    expectedRevision: number | undefined,
    state: RolloutState
  ) => Effect.Effect<boolean, RolloutStoreError>
  /** Replaces what this process reported of the step. Reports of other steps of the model may be dropped. */
  readonly report: (
    model: string,
    rolloutId: string,
    step: number,
    processId: string,
    counts: RolloutCounts
  ) => Effect.Effect<void, RolloutStoreError>
  /** What all processes reported of the step, in any order. */
  readonly reports: (
    model: string,
    rolloutId: string,
    step: number
  ) => Effect.Effect<ReadonlyArray<RolloutCounts>, RolloutStoreError>
}>()("sluice/core/RolloutStore") {}

/** As texts, for stores that keep such. */
export const RolloutStateJson = Schema.fromJsonString(RolloutState)
export const RolloutCountsJson = Schema.fromJsonString(RolloutCounts)
