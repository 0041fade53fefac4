/**
 * Which model versions are held in memory, and how often one that was asked for had to be loaded first.
 */
import * as Schema from "effect/Schema"
import { VersionState } from "./ModelInfo.ts"

export const CachedVersion = Schema.Struct({
  model_id: Schema.String,
  state: VersionState,
  /** Its file's size for each copy in memory; 0 where it is not loaded. */
  bytes: Schema.Finite,
  /** How long its last load took; null where it was never loaded. */
  load_ms: Schema.NullOr(Schema.Finite),
  /** ISO 8601, UTC: when it was last asked, or loaded; null where it is not loaded. */
  last_used: Schema.NullOr(Schema.String),
  /** Whether it stays loaded whatever else is asked for. */
  pinned: Schema.Boolean
})
export interface CachedVersion extends Schema.Schema.Type<typeof CachedVersion> {}

/** `hits` and `misses` count requests since the start, by whether their version was loaded. */
export const ModelCacheStats = Schema.Struct({
  hits: Schema.Int,
  misses: Schema.Int,
  evictions: Schema.Int,
  loaded: Schema.Int,
  /** Of versions, `MODEL_CACHE_SIZE`; null where there is no limit. */
  capacity: Schema.NullOr(Schema.Int),
  bytes: Schema.Finite,
  /** Of bytes, `MODEL_MEMORY_BUDGET`; null where there is no limit. */
  budget_bytes: Schema.NullOr(Schema.Finite),
  versions: Schema.Array(CachedVersion)
})
export interface ModelCacheStats extends Schema.Schema.Type<typeof ModelCacheStats> {}
