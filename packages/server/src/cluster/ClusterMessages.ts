/**
 * What the primary and the serving processes tell each other.
 */
import type { VersionInfo } from "@sluice/core/registry/ModelRegistry"
import type { MetricsSnapshot } from "@sluice/core/telemetry/MetricsSnapshot"
import type { SluiceError } from "@sluice/domain/Errors"
import type { Readiness } from "@sluice/domain/ModelInfo"
import type { BoundPorts } from "../Banner.ts"

/** What a process asks of the others. Versions as operators name them: undefined for the default, or for all. */
export type Question =
  | { readonly _tag: "Load" | "Unload" | "Warmup"; readonly model: string; readonly version: string | undefined }
  | { readonly _tag: "ClearPredictions"; readonly model: string | undefined }
  | { readonly _tag: "ClearModels" | "TakeUpRegistry" | "Readiness" }

export type Answer =
  /** How many were put away or forgotten, where that is what was asked. */
  | { readonly _tag: "Done"; readonly count: number }
  | { readonly _tag: "Refused"; readonly error: typeof SluiceError.Encoded }
  | { readonly _tag: "IsReady"; readonly readiness: Readiness }

/**
 * What a process says, or why it says nothing: it is starting, it did not answer in time, or it ended.
 */
export interface AnswerOf {
  /** Its number, from 1. */
  readonly process: number
  readonly answer: Answer | "starting" | "silent" | "ended"
}

export type FromProcess =
  | {
    readonly _tag: "Listening"
    readonly ports: BoundPorts
    readonly notices: ReadonlyArray<string>
  }
  /** Every version is ready or failed. */
  | { readonly _tag: "Ready"; readonly versions: ReadonlyArray<VersionInfo> }
  /** It cannot serve, and ends; the reason is a sentence for the operator. */
  | { readonly _tag: "Failed"; readonly reason: string }
  /** Its own numbers, as asked. */
  | { readonly _tag: "OwnMetrics"; readonly id: number; readonly snapshot: MetricsSnapshot }
  /** Somebody wants the page. */
  | { readonly _tag: "AskAllMetrics"; readonly id: number }
  | { readonly _tag: "AskOthers"; readonly id: number; readonly question: Question }
  /** To what it was asked. */
  | { readonly _tag: "Answer"; readonly id: number; readonly answer: Answer }

export type FromPrimary =
  /** Drain, and end. */
  | { readonly _tag: "Stop" }
  | { readonly _tag: "AskOwnMetrics"; readonly id: number }
  | { readonly _tag: "AllMetrics"; readonly id: number; readonly snapshots: ReadonlyArray<MetricsSnapshot> }
  | { readonly _tag: "Ask"; readonly id: number; readonly question: Question }
  | { readonly _tag: "OthersAnswered"; readonly id: number; readonly answers: ReadonlyArray<AnswerOf> }

/** How a serving process is started, as its arguments. */
export interface ProcessArguments {
  /** From 1 on; who takes the place of one that ended has its number. */
  readonly number: number
  /** How many there are. */
  readonly processes: number
  /** Whether it listens before its models are loaded. */
  readonly listensFirst: boolean
}

const loaded = "when-loaded"
const atOnce = "at-once"

export const writeArguments = ({ listensFirst, number, processes }: ProcessArguments): Array<string> => [
  String(number),
  String(processes),
  listensFirst ? atOnce : loaded
]

export const readArguments = ([number, processes, listens]: ReadonlyArray<string>): ProcessArguments => ({
  number: Number(number),
  processes: Number(processes),
  listensFirst: listens === atOnce
})
