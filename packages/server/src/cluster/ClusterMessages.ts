/**
 * What the primary and the serving processes tell each other.
 */
import type { VersionInfo } from "@sluice/core/registry/ModelRegistry"
import type { MetricsSnapshot } from "@sluice/core/telemetry/MetricsSnapshot"

export type FromProcess =
  | {
    readonly _tag: "Listening"
    readonly port: number | undefined
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

export type FromPrimary =
  /** Drain, and end. */
  | { readonly _tag: "Stop" }
  | { readonly _tag: "AskOwnMetrics"; readonly id: number }
  | { readonly _tag: "AllMetrics"; readonly id: number; readonly snapshots: ReadonlyArray<MetricsSnapshot> }

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
