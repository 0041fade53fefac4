/**
 * Where cached bytes are kept: a port. The policy over it is `PredictionCache.ts`; stores know nothing of models.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"

export type CacheOperation = "getMany" | "setMany" | "claim" | "look" | "renew" | "release" | "clear" | "stats"

/**
 * The store did not do it. `resting`: it failed a moment ago and was not asked; `slow`: it did not answer within the time
 * allowed; `refused`: it answered that it will not, as when it is full or read-only; `failed`: it could not be reached.
 */
export class CacheStoreError extends Data.TaggedError("CacheStoreError")<{
  readonly operation: CacheOperation
  readonly reason: "resting" | "slow" | "refused" | "failed"
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

/**
 * `bytes`: what the entries take up, by the tier's own account. `evictions`: entries that went for want of room, as far
 * as this process knows; `errors`: what the tier did not do, since the start.
 */
export interface CacheTierStats {
  readonly tier: "memory" | "redis"
  readonly entries: number
  readonly bytes: number
  readonly evictions: number
  readonly errors: number
}

/** How a key stands among the processes. */
export interface Standing {
  /** For `claim`: whether it is now the caller's to compute, and the caller's to release. For `look`: whether somebody has it. */
  readonly claimed: boolean
  /** What the key holds: stored before the claim ended of whoever computed it. */
  readonly value: Uint8Array | undefined
}

/** Milliseconds that a claim lasts at most, unless it is renewed. What claims to last longer is none of ours. */
export const longestClaimMs = 2_000

/**
 * Who computes what several processes miss at the same time. A claim ends by itself after its time, so that a process
 * that dies keeps nobody waiting for longer.
 */
export interface CacheClaims {
  /** In the order of the keys. `token` tells the caller's claims from those of others. */
  readonly claim: (
    keys: ReadonlyArray<string>,
    token: string,
    holdMs: number
  ) => Effect.Effect<ReadonlyArray<Standing>, CacheStoreError>
  readonly look: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Standing>, CacheStoreError>
  /** Has the claims that are still the token's last that long from now. */
  readonly renew: (keys: ReadonlyArray<string>, token: string, holdMs: number) => Effect.Effect<void, CacheStoreError>
  /** Ends the claims that are still the token's. */
  readonly release: (keys: ReadonlyArray<string>, token: string) => Effect.Effect<void, CacheStoreError>
}

export class CacheStore extends Context.Service<CacheStore, {
  /** What this process itself holds under the key, at once; `now` in epoch milliseconds. */
  readonly held: (key: string, now: number) => Uint8Array | undefined
  /** The values in the order of the keys; undefined for a key that has none, or whose time is over. */
  readonly getMany: (
    keys: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Uint8Array | undefined>, CacheStoreError>
  /** Keeps the entries for that long, in place of what the keys held. A store may let go of any entry earlier. */
  readonly setMany: (
    entries: ReadonlyArray<CacheEntry>,
    timeToLive: Duration.Input
  ) => Effect.Effect<void, CacheStoreError>
  /** Removes these keys, also from a store that is too full to be written to. */
  readonly removeMany: (keys: ReadonlyArray<string>) => Effect.Effect<void, CacheStoreError>
  /** Removes every entry whose key starts with the prefix, and gives how many. */
  readonly clear: (prefix: string) => Effect.Effect<number, CacheStoreError>
  /** From the nearest tier to the one that holds most. */
  readonly stats: Effect.Effect<ReadonlyArray<CacheTierStats>, CacheStoreError>
  /** Undefined for a store that no other process uses. */
  readonly claims: CacheClaims | undefined
}>()("sluice/CacheStore") {}
