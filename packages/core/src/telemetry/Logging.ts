/**
 * The log: one line an event, to standard error, so that standard output is left to what a command prints.
 */
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type { LogLevel } from "effect/LogLevel"
import * as References from "effect/References"
import { jsonLine, type LogEvent, prettyLine } from "./LogLine.ts"

/** The setting's names of the levels, from the most to the least talkative. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "none"] as const
export type LogLevelName = (typeof LOG_LEVELS)[number]

export interface LoggingOptions {
  /** The least severe level that is logged. */
  readonly level: LogLevelName
  /** `auto`: for people on a terminal, JSON elsewhere. */
  readonly format: "auto" | "json" | "pretty"
  /** Standard error where it is left out. */
  readonly output?: LogOutput
}

export interface LogOutput {
  readonly isTTY?: boolean
  readonly write: (text: string) => unknown
}

const levels: Readonly<Record<LogLevelName, LogLevel>> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
}

/** Replaces the loggers there are. Spans get their events as well, as Effect's default has it. */
export const layer = ({ format, level, output = process.stderr }: LoggingOptions): Layer.Layer<never> => {
  const isTerminal = output.isTTY === true
  const coloured = isTerminal && process.env["NO_COLOR"] === undefined
  const lineOf = format === "json" || (format === "auto" && !isTerminal)
    ? jsonLine
    : (event: LogEvent) => prettyLine(event, coloured)
  const lines = Logger.make(({ cause, date, fiber, logLevel, message }) => {
    const span = fiber.cache.span
    output.write(`${
      lineOf({
        time: date,
        level: logLevel.toLowerCase(),
        message: Array.isArray(message) ? message : [message],
        annotations: fiber.getRef(References.CurrentLogAnnotations),
        cause,
        // A span that nobody sees has no ids.
        span: fiber.getRef(References.TracerEnabled) ? span : undefined
      })
    }\n`)
  })
  return Layer.merge(
    Logger.layer([lines, Logger.tracerLogger]),
    Layer.succeed(References.MinimumLogLevel, levels[level])
  )
}
