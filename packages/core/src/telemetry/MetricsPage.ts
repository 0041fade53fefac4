/**
 * The page that Prometheus reads, and what it is made of.
 */
import type { CacheOperation } from "../cache/CacheStore.ts"
import type { CacheAccess, CacheStoreState } from "../cache/CacheStoreGuard.ts"
import type { RolloutPosition } from "../rollout/FollowedRollout.ts"
import type { RateLimitMeters } from "./RateLimitMeters.ts"
import type { VersionMeters } from "./VersionMeters.ts"

export interface MetricsPage {
  readonly contentType: string
  readonly body: string
}

/** A rollout, and how often each decision about it was made by this process. */
export interface RolloutMeters extends RolloutPosition {
  readonly decisions: ReadonlyMap<string, number>
}

export interface Meters {
  /** Every registered version's. */
  readonly versions: () => Iterable<VersionMeters>
  /** The models' that have one that can move. */
  readonly rollouts: () => Iterable<RolloutMeters>
  /** Failures of the cache's store, by operation. */
  readonly cacheStoreErrors: ReadonlyMap<CacheOperation, number>
  /** Whether the cache's store is asked, to read and to write. */
  readonly cacheStoreStates: ReadonlyMap<CacheAccess, CacheStoreState>
  /** Requests refused before a version was chosen, by the error's code. */
  readonly refusals: ReadonlyMap<string, number>
  readonly rateLimits: RateLimitMeters
}
