/**
 * An event as one line of a log. Whatever is in it came from anywhere: no text can end its line, forge another, or speak to
 * the terminal, and what is redacted stays so.
 */
import * as Cause from "effect/Cause"
import { formatJson } from "effect/Formatter"

export interface LogEvent {
  readonly time: Date
  /** In lower case. */
  readonly level: string
  readonly message: ReadonlyArray<unknown>
  readonly annotations: Readonly<Record<string, unknown>>
  readonly cause: Cause.Cause<unknown>
  /** The span that it happened in, by OpenTelemetry's ids. */
  readonly span: { readonly traceId: string; readonly spanId: string } | undefined
}

/** Control characters, line ends of Unicode, and marks that turn the direction of what follows. */
// oxlint-disable-next-line no-control-regex
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const escapeCharacter = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

const escapeUnsafe = (text: string): string => text.replace(unsafe, escapeCharacter)

/** Undefined for a value whose own methods throw. */
const tryJson = (value: unknown): string | undefined => {
  try {
    return escapeUnsafe(formatJson(value))
  } catch {
    return undefined
  }
}

const json = (value: unknown): string => tryJson(value) ?? `"[unprintable]"`

const textOf = (value: unknown): string => {
  if (typeof value === "string") return value
  if (value instanceof Error) return `${value.name}: ${value.message}`
  return json(value)
}

const messageOf = ({ message }: LogEvent): string => message.map(textOf).join(" ")

const causeOf = ({ cause }: LogEvent): string | undefined =>
  cause.reasons.length === 0 ? undefined : Cause.pretty(cause)

/** `{"time":…,"level":…,"message":…}` with the annotations beside them; those four, and a span's ids, are never theirs. */
export const jsonLine = (event: LogEvent): string => {
  const { annotations, level, span, time } = event
  const cause = causeOf(event)
  const own = {
    time: time.toISOString(),
    level,
    message: messageOf(event),
    ...(cause === undefined ? {} : { cause }),
    ...(span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId })
  }
  // One annotation that cannot be printed must not take the event with it.
  const texts = () => Object.entries(annotations).map(([key, value]) => [key, textOf(value)])
  return tryJson({ ...annotations, ...own }) ?? json({ ...Object.fromEntries(texts()), ...own })
}

const colours: Readonly<Record<string, string>> = { warn: "\u001b[33m", error: "\u001b[31m", fatal: "\u001b[31m" }
const plainColour = "\u001b[0m"

/** Text as it is where it cannot be taken for anything else, quoted otherwise. */
const fieldValue = (value: unknown): string =>
  typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : json(value)

/** `14:05:57.123 WARN  message key=value`, and a cause below it, indented. For people; the time is UTC. */
export const prettyLine = (event: LogEvent, coloured: boolean): string => {
  const { annotations, level, time } = event
  const name = level.toUpperCase().padEnd(5)
  const colour = coloured ? colours[level] : undefined
  const fields = Object.entries(annotations).map(([key, value]) => ` ${key}=${fieldValue(value)}`)
  const cause = causeOf(event)?.split("\n").map((line) => `\n    ${escapeUnsafe(line)}`) ?? []
  return [
    `${time.toISOString().slice(11, 23)} ${colour === undefined ? name : colour + name + plainColour} `,
    escapeUnsafe(messageOf(event) + fields.join("")),
    ...cause
  ].join("")
}
