/**
 * What the processes that call the same models tell each other of their circuits: a port. Nobody waits for it but a call that
 * would probe, and that only briefly: each process decides by its own circuits, and hears of the others' later.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** How a circuit stands by what a process found out. */
export type CircuitNews =
  | { readonly key: string; readonly state: "open"; readonly openForMs: number }
  | { readonly key: string; readonly state: "closed" }

/** What comes of asking to probe. `Held`: another process probes. `Changed`: another process has found out. */
export type ProbeClaim =
  | { readonly _tag: "Granted" }
  | { readonly _tag: "Held"; readonly retryAfterMs: number }
  | { readonly _tag: "Changed"; readonly news: CircuitNews }

/** The others could not be told, or asked. */
export class CircuitSharingError extends Data.TaggedError("CircuitSharingError")<{
  readonly operation: "publish" | "changes" | "claim" | "release"
  /** `refused`: what was asked answered with an error, such as to a key of another type. */
  readonly reason: "refused" | "failed"
  readonly cause: unknown
}> {
  override get message() {
    const { cause } = this
    return `circuits could not be shared, ${this.operation} failed: ${
      cause instanceof Error ? cause.message : String(cause)
    }`
  }
}

/** What one process says and hears. */
export interface CircuitPeer {
  /** Tells the others, and gives the right to probe back. */
  readonly publish: (news: CircuitNews) => Effect.Effect<void, CircuitSharingError>
  /** What the others have told since this was asked last; at first, all that is known. Never what this process told. */
  readonly changes: Effect.Effect<ReadonlyArray<CircuitNews>, CircuitSharingError>
  /** Asks for the right to probe. It lapses by itself, lest a process that ends keeps it. */
  readonly claimProbe: (key: string) => Effect.Effect<ProbeClaim, CircuitSharingError>
  /** Gives the right to probe back, where the probe said nothing. */
  readonly releaseProbe: (key: string) => Effect.Effect<void, CircuitSharingError>
}

export class CircuitSharing extends Context.Service<CircuitSharing, {
  /** For one process; undefined where nothing is shared. */
  readonly join: Effect.Effect<CircuitPeer | undefined>
}>()("sluice/core/CircuitSharing") {
  /** Each process for itself. */
  static readonly layerNone = Layer.succeed(CircuitSharing, CircuitSharing.of({ join: Effect.succeed(undefined) }))
}

/** How long the right to probe is kept without a word, in milliseconds. */
export const probeLeaseMs = 10_000

/** How long one waits while another process probes, at most: its word comes sooner. */
export const heldRetryMs = 250
