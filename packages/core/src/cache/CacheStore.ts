/**
 * Where cached bytes are kept: a port. The policy over it is `PredictionCache.ts`; stores know nothing of models.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"

export type CacheOperation = "getMany" | "setMany" | "clear" | "stats"

/**
 * The store did not do it. `resting`: it failed a moment ago and was not asked; `slow`: it did not answer within the time
 * allowed; `failed`: it answered with an error or could not be reached.
 */
export class CacheStoreError extends Data.TaggedError("CacheStoreError")<{
  readonly operation: CacheOperation
  readonly reason: "resting" | "slow" | "failed"
  readonly cause?: unknown
}> {
  override get message() {
    return `the cache's store is ${this.reason} at ${this.operation}`
  }
}

export interface CacheEntry {
  readonly key: string
  readonly value: Uint8Array
}

/** `bytes`: what the entries take up in the store, by its own account. */
export interface CacheStoreStats {
  readonly entries: number
  readonly bytes: number
}

export class CacheStore extends Context.Service<CacheStore, {
  /** The values in the order of the keys; undefined for a key that has none, or whose time is over. */
  readonly getMany: (
    keys: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Uint8Array | undefined>, CacheStoreError>
  /** Keeps the entries for that long, in place of what the keys held. A store may let go of any entry earlier. */
  readonly setMany: (
    entries: ReadonlyArray<CacheEntry>,
    timeToLive: Duration.Input
  ) => Effect.Effect<void, CacheStoreError>
  /** Removes every entry whose key starts with the prefix, and gives how many. */
  readonly clear: (prefix: string) => Effect.Effect<number, CacheStoreError>
  readonly stats: Effect.Effect<CacheStoreStats, CacheStoreError>
}>()("sluice/CacheStore") {}
