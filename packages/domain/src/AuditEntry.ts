/**
 * One change to what is served, made or refused, as the audit log keeps it.
 */
import * as Schema from "effect/Schema"

export const AuditEntry = Schema.Struct({
  /** ISO 8601, UTC. */
  at: Schema.String,
  /** `file`, `controller`, or `http:` and who asked: never a key itself. */
  by: Schema.String,
  /** Such as `registry.apply`, `rollout.promote` or `model.load`. */
  action: Schema.String,
  model: Schema.optionalKey(Schema.String),
  /** What was asked and, of a refusal, why not. */
  detail: Schema.String,
  /** What it changed, in the terms of the action. */
  change: Schema.optionalKey(Schema.Unknown),
  outcome: Schema.Literals(["applied", "refused"]),
  request_id: Schema.optionalKey(Schema.String)
})
export interface AuditEntry extends Schema.Schema.Type<typeof AuditEntry> {}

/** Newest first. */
export const AuditEntries = Schema.Struct({ entries: Schema.Array(AuditEntry) })
