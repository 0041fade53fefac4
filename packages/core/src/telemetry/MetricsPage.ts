/**
 * The page that Prometheus reads, and what it is made of.
 */
import type { CacheOperation } from "../cache/CacheStore.ts"
import type { VersionMeters } from "./VersionMeters.ts"

export interface MetricsPage {
  readonly contentType: string
  readonly body: string
}

export interface Meters {
  /** Every registered version's. */
  readonly versions: () => Iterable<VersionMeters>
  /** Failures of the cache's store, by operation. */
  readonly cacheStoreErrors: ReadonlyMap<CacheOperation, number>
  /** Requests refused before a version was chosen, by the error's code. */
  readonly refusals: ReadonlyMap<string, number>
}
