/**
 * Which registry is served, and what a new one changes.
 */
import * as Schema from "effect/Schema"

/** Where the served registry came from. Times are ISO 8601, UTC. */
export const RegistryStatus = Schema.Struct({
  /** Of the registry that is served, as HTTP writes it: in quotes. */
  etag: Schema.String,
  applied_at: Schema.String,
  /** `start`, `file`, `last_known_good` where a start could not serve the file, or `http:` and who sent it. */
  by: Schema.String,
  /** Why the registry file, as it is now, is not served: a sentence for each mistake. Null where it is. */
  pending_error: Schema.NullOr(Schema.Array(Schema.String))
})
export interface RegistryStatus extends Schema.Schema.Type<typeof RegistryStatus> {}

/** Versions are `model@version`. All four are empty where the registry was served already. */
export const RegistryApplied = Schema.Struct({
  dry_run: Schema.Boolean,
  /** Of the registry that was sent. */
  etag: Schema.String,
  added: Schema.Array(Schema.String),
  changed: Schema.Array(Schema.String),
  removed: Schema.Array(Schema.String),
  /** Models whose default version or rollout is another. */
  rerouted: Schema.Array(Schema.String)
})
export interface RegistryApplied extends Schema.Schema.Type<typeof RegistryApplied> {}
