/**
 * Where a server stands: alone on its port, or as one of several processes. What differs between the two is here.
 */
import { detectCores } from "@sluice/core/execution/Cores"
import type { VersionInfo } from "@sluice/core/registry/ModelRegistry"
import type { Metrics } from "@sluice/core/telemetry/Metrics"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { type BoundPorts, listenBanner, readyBanner } from "./Banner.ts"
import { noOthers, type OtherProcesses } from "./cluster/OtherProcesses.ts"
import type { ResolvedSettings } from "./config/Settings.ts"

export interface Place {
  /** How many cores its models may use. */
  readonly cores: Effect.Effect<number>
  /** Whether it listens before its models are loaded. */
  readonly listensFirst: boolean
  /** Tells that it listens on these ports, and what an operator should know of its registry. */
  readonly listening: (ports: BoundPorts, notices: ReadonlyArray<string>) => Effect.Effect<void>
  /** Tells that every version is ready or failed. */
  readonly ready: (versions: ReadonlyArray<VersionInfo>) => Effect.Effect<void>
  /** What `/metrics` shows, where it is not its own numbers alone. */
  readonly metrics: (own: Metrics["Service"]) => Effect.Effect<Metrics["Service"]>
  /** Whom it asks to do what it was asked to do. */
  readonly others: OtherProcesses["Service"]
}

/** One process, which says everything itself. */
export const alone = ({ generatedKey, notices, settings }: ResolvedSettings): Place => ({
  cores: detectCores,
  listensFirst: true,
  listening: Effect.fnUntraced(function*(ports, ofRegistry) {
    for (const notice of [...notices, ...ofRegistry]) yield* Effect.logWarning(notice)
    yield* Console.log(listenBanner(settings, ports, { generatedKey }))
  }),
  ready: (versions) => Effect.suspend(() => Console.log(readyBanner(versions, process.uptime() * 1000))),
  metrics: Effect.succeed,
  others: noOthers
})
