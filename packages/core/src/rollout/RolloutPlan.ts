/**
 * What the registry asks of a rollout, in the terms that decide it.
 */
import * as Duration from "effect/Duration"
import { hash } from "node:crypto"
import { answerIdentity } from "../registry/AnswerIdentity.ts"
import type { ModelEntry, RolloutAnalysis, VersionEntry } from "../registry/RegistryEntry.ts"

/** What must hold for a rollout to go on; a gate that is undefined is not set. */
export interface RolloutGates {
  /** 0 to 1. */
  readonly maxErrorRate: number | undefined
  /** The target's median latency over the default's. */
  readonly maxP50Ratio: number | undefined
  /** The target's 99th percentile of latency over the default's. */
  readonly maxP99Ratio: number | undefined
  /** 0 to 1. */
  readonly minAgreement: number | undefined
  /** Of the target, before anything is decided. */
  readonly minRequests: number
  /** How long a step lasts at least. */
  readonly intervalMs: number
}

export interface RolloutPlan {
  /** The same as long as the rollout is the same one: a file that says otherwise begins another. */
  readonly rolloutId: string
  readonly model: string
  readonly type: "canary" | "shadow"
  readonly defaultVersion: string
  readonly targetVersion: string
  /** Where it begins, 0 to 100. */
  readonly percentage: number
  /** Ascending. */
  readonly steps: ReadonlyArray<number>
  /** Undefined: nothing is decided by itself. */
  readonly gates: RolloutGates | undefined
  /** Whether examples of disagreement show what was asked. */
  readonly keepInputs: boolean
}

export const defaultMinRequests = 100
export const defaultIntervalMs = 60_000

const gatesOf = (
  { interval, maxErrorRate, maxP50Ratio, maxP99Ratio, minAgreement, minRequests }: RolloutAnalysis
): RolloutGates => ({
  maxErrorRate,
  maxP50Ratio,
  maxP99Ratio,
  minAgreement,
  minRequests: minRequests ?? defaultMinRequests,
  intervalMs: interval === undefined ? defaultIntervalMs : Duration.toMillis(interval)
})

/** What tells apart what a version answered before and after it was changed. */
export type IdentityOf = (entry: VersionEntry) => string

/** Undefined for a model that rolls nothing out. */
export const planOf = (
  { defaultVersion, name, rollout, versions }: ModelEntry,
  identityOf: IdentityOf = answerIdentity
): RolloutPlan | undefined => {
  if (rollout.type !== "canary" && rollout.type !== "shadow") return undefined
  const { analysis, percentage, steps, targetVersion, type } = rollout
  // Gates are left out: an operator may tighten them while the rollout goes on.
  const identities = [defaultVersion, targetVersion].flatMap((compared) =>
    versions.filter(({ version }) => version === compared).map(identityOf)
  )
  const identity = JSON.stringify([name, defaultVersion, targetVersion, type, steps, percentage, identities])
  return {
    rolloutId: hash("sha256", identity, "hex").slice(0, 16),
    model: name,
    type,
    defaultVersion,
    targetVersion,
    percentage,
    steps,
    gates: analysis === undefined ? undefined : gatesOf(analysis),
    keepInputs: analysis?.examples === "full"
  }
}
