/**
 * One model as it is routed now: its entry, and the version slots that its requests may go to. A new entry takes over
 * version by version, and its routing last, when the version that it routes to is ready.
 */
import { ModelNotReady, VersionNotFound, VersionRetired } from "@sluice/domain/Errors"
import * as Result from "effect/Result"
import type { ModelEntry, VersionEntry } from "./RegistryEntry.ts"
import type { ServedVersion } from "./ServedVersion.ts"
import type { VersionSlot } from "./VersionSlot.ts"

/** How long callers are told to wait for a version that is still loading, in milliseconds. */
const loadingRetryMs = 1000
const failedRetryMs = 30_000

export type NotServedVersion = VersionNotFound | VersionRetired | ModelNotReady

export class ModelRoute {
  /** What requests go by. */
  entry: ModelEntry
  /** What they are to go by. */
  wanted: ModelEntry
  readonly slots = new Map<string, VersionSlot>()
  /** Those of a change that have not been loaded yet; they stay when the next change comes before. */
  readonly arriving = new Set<VersionSlot>()
  /** Versions that load to take the place of those that answer. */
  readonly replacing = new Map<string, VersionSlot>()
  /** Why a version's new entry was not taken, by version. */
  readonly refused = new Map<string, string>()

  constructor(entry: ModelEntry) {
    this.entry = entry
    this.wanted = entry
  }

  /** The registry's entry of a version; what it says of it may be newer than what the version was loaded by. */
  said(version: string): VersionEntry | undefined {
    return this.wanted.versions.find((entry) => entry.version === version)
  }

  movesDefault(next: ModelEntry): boolean {
    return this.entry.defaultVersion !== next.defaultVersion
  }

  /** Why the version cannot become the default; undefined where it can, also if it loaded and was put away since. */
  reasonToStay(version: string): string | undefined {
    const slot = this.slots.get(version)
    if (slot === undefined) return "it is not there"
    const isProven = slot.state() !== "failed" && slot.loadMs() !== undefined
    return this.refused.get(version) ?? (isProven ? undefined : slot.failure() ?? "it did not load")
  }

  /** The slot of a version that a caller names, or that the rollout chose. */
  slot(version: string): Result.Result<VersionSlot, VersionNotFound | VersionRetired> {
    const slot = this.slots.get(version)
    if (slot !== undefined) return Result.succeed(slot)
    const model = this.entry.name
    const isRetired = this.wanted.versions.some((entry) => entry.version === version && entry.status === "retired")
    return Result.fail(isRetired ? new VersionRetired({ model, version }) : new VersionNotFound({ model, version }))
  }
}

/** The slot's version, or why it does not answer. */
export const servedBy = (slot: VersionSlot): Result.Result<ServedVersion, ModelNotReady> => {
  const served = slot.served()
  const state = slot.state()
  if (served !== undefined && state === "ready") return Result.succeed(served)
  const { model, version } = slot.plan.entry
  const retryAfterMs = state === "failed" ? failedRetryMs : loadingRetryMs
  return Result.fail(new ModelNotReady({ model, version, state, retryAfterMs }))
}
