/**
 * What is wrong with a configuration, in sentences an operator can act on: where it stands, what was expected, what was
 * found instead.
 */
import * as Data from "effect/Data"

export interface ConfigMistake {
  /** The file as the operator gave it, or the name of an environment variable. */
  readonly source: string
  readonly line?: number | undefined
  /** The path of the field, as `models.sentiment.default_version`. */
  readonly field?: string | undefined
  readonly problem: string
}

/** How many mistakes a message lists. More than a screenful help nobody. */
const listed = 20

/** `file:line: field: problem`, the form that editors and terminals can jump to. */
export const describeMistake = (mistake: ConfigMistake): string => {
  const place = mistake.line === undefined ? mistake.source : `${mistake.source}:${mistake.line}`
  return mistake.field === undefined || mistake.field === ""
    ? `${place}: ${mistake.problem}`
    : `${place}: ${mistake.field}: ${mistake.problem}`
}

/** The configuration cannot be used. The message lists every mistake, one a line. */
export class ConfigError extends Data.TaggedError("ConfigError")<{
  readonly mistakes: readonly [ConfigMistake, ...Array<ConfigMistake>]
  readonly cause?: unknown
}> {
  override get message() {
    const lines = this.mistakes.slice(0, listed).map(describeMistake)
    const left = this.mistakes.length - lines.length
    return left === 0 ? lines.join("\n") : `${lines.join("\n")}\n… and ${left} more`
  }
}

/** The error for these mistakes in the order of their lines, or undefined where there are none. */
export const configError = (mistakes: ReadonlyArray<ConfigMistake>): ConfigError | undefined => {
  const [first, ...rest] = mistakes.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0))
  return first === undefined ? undefined : new ConfigError({ mistakes: [first, ...rest] })
}

/** A name may be as long as the file that it is in. */
const longestKey = 100

const keyText = (key: PropertyKey): string => {
  const text = String(key)
  return text.length > longestKey ? `${text.slice(0, longestKey)}…` : text
}

/** A field's path as people write it: `models.iris.versions.v1`, `plugins[2]`; long names are cut. */
export const fieldPath = (path: ReadonlyArray<PropertyKey>): string =>
  path.reduce<string>(
    (text, key) => typeof key === "number" ? `${text}[${key}]` : text === "" ? keyText(key) : `${text}.${keyText(key)}`,
    ""
  )

/** A value that may be a secret as an error shows it: by its kind alone. */
export const describeKind = (value: unknown): string => {
  if (value === null || value === undefined) return "nothing"
  if (Array.isArray(value)) return "a list"
  return typeof value === "object" ? "a mapping" : "a value that is not shown"
}

/** A URL with a user, who may have a password. */
const credentials = /:\/\/.*@/s

/** A value as an error shows it: quoted, and cut where it is long; a URL with a password is not shown. */
export const describeValue = (value: unknown): string => {
  if (value === null || typeof value === "object" || value === undefined) return describeKind(value)
  if (typeof value !== "string") return String(value)
  if (credentials.test(value)) return describeKind(value)
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
}
