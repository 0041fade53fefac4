/**
 * A plugin's lines in the host's log.
 */
import type { PluginContext } from "@sluice/plugin-sdk/Plugin"
import * as Effect from "effect/Effect"

export interface PluginLine {
  readonly level: Parameters<PluginContext["log"]>[0]
  readonly message: string
  readonly model: string
  readonly version: string
}

const levels = { debug: Effect.logDebug, info: Effect.logInfo, warn: Effect.logWarning, error: Effect.logError }

export const logLine = ({ level, message, model, version }: PluginLine): Effect.Effect<void> =>
  Effect.annotateLogs(levels[level](message), { model, version })
