/**
 * What the registry says, in the engine's own terms: checked, with absolute paths and nothing left to default.
 */
import type { Device, Precision, VersionStatus } from "@sluice/domain/ModelInfo"
import type * as Duration from "effect/Duration"
import type { WarmupShapes } from "../execution/WarmupBatches.ts"
import type { Limits } from "../limits/Limits.ts"
import type { BreakerEntry } from "../resilience/BreakerRules.ts"
import type { DegradationEntry } from "../resilience/DegradationEntry.ts"
import type { OptimizeFor } from "./RegistrySchema.ts"

/** Where an entry stands, for messages that come after the file was read. */
export interface SourceLine {
  /** The registry file as the operator gave it. */
  readonly file: string
  readonly line: number
}

/** A file of a version in one precision. */
export interface ModelFile {
  /** As the registry has it. */
  readonly written: string
  readonly absolute: string
}

/** Limits that a version sets for itself; the configuration's or the plugin's hold where undefined. */
export interface BatchingEntry {
  readonly maxBatchSize: number | undefined
  readonly maxBatchCost: number | undefined
  readonly window: Duration.Duration | undefined
  readonly queueCapacity: number | undefined
  /** How long a batch may take by the cost model. */
  readonly latencyTarget: Duration.Duration | undefined
  /** The share of a batch's padded cost that may be padding. */
  readonly maxPaddedWaste: number | undefined
}

export interface VersionEntry {
  readonly model: string
  readonly version: string
  readonly status: VersionStatus
  readonly description: string
  /** The file in `precision`, the version's own. */
  readonly file: ModelFile
  readonly precision: Precision
  /** Whether the device decides which of its files is served. */
  readonly precisionByDevice: boolean
  /** The predicted wait from which on requests go to the int8 file. Undefined: none do. */
  readonly int8AboveWait: Duration.Duration | undefined
  /** The same version in other precisions. */
  readonly variants: ReadonlyMap<Precision, ModelFile>
  /** Undefined: the plugin is chosen by the files. */
  readonly plugin: string | undefined
  /** Undefined: the configuration's device. */
  readonly device: Device | undefined
  /** What the plugin's own schema will check. */
  readonly options: Readonly<Record<string, unknown>>
  readonly instances: number | undefined
  readonly threads: number | undefined
  /** Whether its batches may run on the event loop if they are short enough. */
  readonly inline: "auto" | "off"
  readonly optimizeFor: OptimizeFor
  /** Whether a row's answer is the same alone and in a batch. Undefined: by its precision. */
  readonly batchInvariant: boolean | undefined
  readonly isolation: "thread" | "process"
  readonly batching: BatchingEntry
  /** Whether answers may be kept. */
  readonly cache: boolean
  /** Milliseconds past its time that a kept answer stands in when the version cannot answer; 0 for none. */
  readonly staleIfErrorMs: number
  /** Batches to run before it is ready, beside the plugin's own. */
  readonly warmup: ReadonlyArray<WarmupShapes>
  /** Whether it stays in memory whatever the limits. */
  readonly keepLoaded: boolean
  readonly timeoutMs: number | undefined
  /** How long one batch may compute; undefined: the configuration's. */
  readonly runTimeout: Duration.Duration | undefined
  readonly source: SourceLine
}

/** What decides whether a rollout goes on; undefined gates are not set. */
export interface RolloutAnalysis {
  readonly maxErrorRate: number | undefined
  readonly maxP50Ratio: number | undefined
  readonly maxP99Ratio: number | undefined
  readonly minAgreement: number | undefined
  readonly minRequests: number | undefined
  readonly interval: Duration.Duration | undefined
  /** Whether examples of disagreement show what was asked. */
  readonly examples: "redacted" | "full"
}

export type Rollout =
  | { readonly type: "pinned" }
  | {
    readonly type: "canary" | "shadow"
    readonly percentage: number
    readonly targetVersion: string
    readonly steps: ReadonlyArray<number>
    readonly analysis: RolloutAnalysis | undefined
  }
  | { readonly type: "ab_test"; readonly weights: ReadonlyMap<string, number> }

export interface ModelEntry {
  readonly name: string
  readonly description: string
  /** Exists among the versions and is not retired. */
  readonly defaultVersion: string
  /** At least one, in the order of the file. */
  readonly versions: ReadonlyArray<VersionEntry>
  readonly rollout: Rollout
  /** Of all calls of the model. */
  readonly limits: Limits | undefined
  /** What its circuits go by; the settings hold where undefined. */
  readonly breaker: BreakerEntry | undefined
  /** What answers where its version cannot. */
  readonly degradation: DegradationEntry
  readonly source: SourceLine
}

export interface Registry {
  /** The file as the operator gave it. */
  readonly file: string
  /** What answers a request that names no model: the registry's `default_model`, else its first. */
  readonly defaultModel: string
  /** At least one, in the order of the file. */
  readonly models: ReadonlyArray<ModelEntry>
  /** What is written in the registry and does not act yet, one sentence each. */
  readonly notices: ReadonlyArray<string>
}
