/**
 * What `sluice models rollout` may tell a rollout.
 */

export const rolloutVerbs = ["pause", "resume", "promote", "rollback", "set"] as const
export type RolloutVerb = typeof rolloutVerbs[number]
