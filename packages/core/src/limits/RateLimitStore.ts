/**
 * Where it is counted what limits have left: a port. Which limits a call has is decided by `LimitPlan.ts`; stores know
 * nothing of callers and models. Answers come by callback, at once where the store is in this process.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Result from "effect/Result"

/** So many units of a rate: it needs room for `need` of them, and uses up `take`. Needing none, it is never refused. */
export interface WindowTake {
  readonly kind: "window"
  readonly key: string
  readonly amount: number
  readonly windowMs: number
  readonly need: number
  readonly take: number
}

/** One of `amount` slots, until it is released, or the time of the lease is over because nobody renewed it. */
export interface SlotTake {
  readonly kind: "slot"
  readonly key: string
  readonly amount: number
  readonly leaseMs: number
}

export type LimitTake = WindowTake | SlotTake

/** Who holds one slot of each of these keys. */
export interface SlotHolder {
  readonly lease: string
  readonly slotKeys: ReadonlyArray<string>
}

export interface LimitState {
  /** Whether there is room for what this call takes. */
  readonly fits: boolean
  /** Units or slots in use, with those of this call where it was allowed. */
  readonly used: number
  /** Milliseconds until the first of the units in use come back; 0 where that is not known. */
  readonly backMs: number
  /** Milliseconds until there is room; 0 where there is, or where that is not known. */
  readonly waitMs: number
}

export interface Taken {
  /** Whether all fitted. If not, nothing was taken. */
  readonly allowed: boolean
  /** When it was decided, in milliseconds of the store's own clock. */
  readonly atMs: number
  /** In the order of what was asked. */
  readonly states: ReadonlyArray<LimitState>
}

/**
 * The store did not decide. `resting`: it failed a moment ago and was not asked; `slow`: it did not answer within the time
 * allowed; `failed`: it answered with an error or could not be reached. What it was asked may have been done all the same.
 */
export class RateLimitStoreError extends Data.TaggedError("RateLimitStoreError")<{
  readonly reason: "resting" | "slow" | "failed"
  readonly cause?: unknown
}> {
  override get message() {
    return `the store of rate limits is ${this.reason}`
  }
}

export class RateLimitStore extends Context.Service<RateLimitStore, {
  /** Takes all of it or nothing, in one step that no other caller can come between. `lease` names the holder of slots. */
  readonly take: (
    takes: ReadonlyArray<LimitTake>,
    lease: string,
    answer: (taken: Result.Result<Taken, RateLimitStoreError>) => void
  ) => void
  /** Gives the holder's slots back. Nobody waits for it: a slot that it does not reach comes back by its lease. */
  readonly release: (slotKeys: ReadonlyArray<string>, lease: string) => void
  /**
   * From now on their slots are held for `leaseMs`, also those that the store has forgotten: a call is under way for each.
   * Nobody waits for it.
   */
  readonly renew: (holders: ReadonlyArray<SlotHolder>, leaseMs: number) => void
}>()("sluice/RateLimitStore") {}
