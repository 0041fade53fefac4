/**
 * The kinds of value a setting may have: how each is read from text or YAML, what is expected, and how it is printed.
 */
import { durationExpectation, type DurationUnit, parseDuration, printDuration } from "@sluice/core/config/DurationText"
import { parseRate, printRate, type Rate, rateExpectation } from "@sluice/core/limits/Limits"
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { isAbsolute, join } from "node:path"

export interface SettingType<A> {
  /** Completes "expected …". */
  readonly expected: string
  /** Reads what the environment has (text) or what YAML has (any value). */
  parse(value: unknown): Option.Option<A>
  /** As text that `parse` reads back; secrets are hidden. */
  print(value: A): string
  /** The same value, where its relative paths counted from this directory. */
  rebase?(value: A, directory: string): A
  /** For a mistyped word: the words that are known. */
  readonly choices?: ReadonlyArray<string>
  /** What is wrong with a secret is never shown. */
  readonly secret?: boolean
}

/** How a value that is not set is printed. */
export const unset = "unset"

/** May be left unset. */
export const optional = <A>(type: SettingType<A>): SettingType<A | undefined> => ({
  ...type,
  parse: (value) => type.parse(value),
  print: (value) => value === undefined ? unset : type.print(value),
  rebase: (value, directory) => value === undefined ? value : type.rebase?.(value, directory) ?? value
})

const isText = (value: unknown): value is string => typeof value === "string" && value !== ""

export const text = (expected: string, form: RegExp): SettingType<string> => ({
  expected,
  parse: (value) => isText(value) && form.test(value) ? Option.some(value) : Option.none(),
  print: (value) => value
})

/** A path under which routes stand. The standards' own prefixes would put two meanings on one route. */
export const routePrefix: SettingType<`/${string}`> = {
  expected: "a path such as /api/v1, without a slash at the end, and not /v1 or /v2, which the standards use",
  parse: (value) => {
    const isPrefix = (text: string): text is `/${string}` => /^(?!\/v[12]$)(?:\/[A-Za-z0-9._~-]+)+$/.test(text)
    return typeof value === "string" && isPrefix(value) ? Option.some(value) : Option.none()
  },
  print: (value) => value
}

export const integer = (minimum: number, maximum: number): SettingType<number> => ({
  expected: `a whole number from ${minimum} to ${maximum}`,
  parse: (value) => {
    const digits = typeof value === "number" || typeof value === "string" ? String(value) : ""
    const number = /^-?\d{1,15}$/.test(digits) ? Number(digits) : Number.NaN
    return number >= minimum && number <= maximum ? Option.some(number) : Option.none()
  },
  print: String
})

/** A share of a whole. */
export const fraction: SettingType<number> = {
  expected: "a number from 0 to 1",
  parse: (value) => {
    const text = typeof value === "number" || typeof value === "string" ? String(value) : ""
    const number = /^\d{1,2}(?:\.\d{1,15})?$/.test(text) ? Number(text) : Number.NaN
    return number >= 0 && number <= 1 ? Option.some(number) : Option.none()
  },
  print: String
}

const booleans = new Map([
  ...["true", "1", "yes", "on"].map((word) => [word, true] as const),
  ...["false", "0", "no", "off"].map((word) => [word, false] as const)
])

export const boolean: SettingType<boolean> = {
  expected: "true or false (also 1, 0, yes, no, on, off)",
  parse: (value) => Option.fromUndefinedOr(booleans.get(String(value).toLowerCase())),
  print: String
}

/** One of these words, in any letter case. */
export const choice = <const A extends string>(words: ReadonlyArray<A>): SettingType<A> => ({
  expected: words.map((word) => `"${word}"`).join(" | "),
  parse: (value) => Option.fromUndefinedOr(words.find((word) => word === String(value).toLowerCase())),
  print: (value) => value,
  choices: words
})

export const duration = (
  unit: DurationUnit,
  maximum: Duration.Duration,
  minimum: Duration.Duration = Duration.zero
): SettingType<Duration.Duration> => ({
  expected: `${durationExpectation(unit)}, ${
    Duration.isZero(minimum) ? "" : `at least ${printDuration(minimum)} and `
  }at most ${printDuration(maximum)}`,
  parse: (value) =>
    typeof value === "string" || typeof value === "number"
      ? Option.filter(parseDuration(value, unit), Duration.between({ minimum, maximum }))
      : Option.none(),
  print: printDuration
})

/** So many in a time. */
export const rate: SettingType<Rate> = {
  expected: rateExpectation,
  parse: (value) => typeof value === "string" ? parseRate(value) : Option.none(),
  print: printRate
}

/** A number of bytes, plain or with a unit. */
export const bytes = (minimum: number, maximum: number): SettingType<number> => {
  const plain = integer(minimum, maximum)
  return {
    expected: `a number of bytes from ${minimum} to ${maximum}, or a size such as "64 MiB"`,
    parse: (value) => {
      const size = typeof value === "string" ? ByteSize.fromString(value) : Option.none()
      return Option.match(Option.flatMap(size, ByteSize.toNumber), {
        onNone: () => plain.parse(value),
        onSome: (size) => plain.parse(size)
      })
    },
    print: String
  }
}

const joinPath = (path: string, directory: string): string => isAbsolute(path) ? path : join(directory, path)

export const path: SettingType<string> = {
  expected: "the path of a file",
  parse: (value) => isText(value) && !value.includes("\0") ? Option.some(value) : Option.none(),
  print: (value) => value,
  rebase: joinPath
}

const isModulePath = (name: string): boolean => name.startsWith("./") || name.startsWith("../")

/** Package names and paths of modules; a path starts with `./`, `../` or `/`. In the environment parted by commas. */
export const modules: SettingType<ReadonlyArray<string>> = {
  expected: "a list of package names or paths",
  parse: (value) => {
    const names = typeof value === "string" ? value.split(",").map((name) => name.trim()) : value
    return Array.isArray(names) && names.length > 0 && names.every(isText) ? Option.some(names) : Option.none()
  },
  print: (names) => names.join(", "),
  // The prefix stays, since without it a path reads as a package name.
  rebase: (names, directory) =>
    names.map((name) => {
      const path = isModulePath(name) ? joinPath(name, directory) : name
      return path === name || isAbsolute(path) || path.startsWith("..") ? path : `./${path}`
    })
}

const isOrigin = (text: unknown): text is string => isText(text) && URL.canParse(text) && new URL(text).origin === text

/** Origins of web pages (RFC 6454, section 6.2), never a wildcard. In the environment parted by commas. */
export const origins: SettingType<ReadonlyArray<string>> = {
  expected: "a list of origins such as https://app.example.com, without a path or a slash at the end",
  parse: (value) => {
    const list = typeof value === "string" ? value.split(",").map((origin) => origin.trim()) : value
    return Array.isArray(list) && list.length > 0 && list.every(isOrigin) ? Option.some(list) : Option.none()
  },
  print: (list) => list.join(", ")
}

/** A secret that travels in a header, so it has what headers can carry. */
export const token: SettingType<Redacted.Redacted<string>> = {
  expected: "visible ASCII characters without spaces",
  parse: (value) =>
    typeof value === "string" && /^[\x21-\x7e]+$/.test(value) ? Option.some(Redacted.make(value)) : Option.none(),
  print: () => "<redacted>",
  secret: true
}

/** The URL without what may be a secret: user, password and query. */
const printUrl = (secret: Redacted.Redacted<string>): string => {
  const url = new URL(Redacted.value(secret))
  const user = url.username === "" && url.password === "" ? "" : "<redacted>@"
  const query = url.search === "" ? "" : "?<redacted>"
  return `${url.protocol}//${user}${url.host}${url.pathname}${query}`
}

export const redisUrl: SettingType<Redacted.Redacted<string>> = {
  expected: "a URL such as redis://host:6379/0 or rediss://user:password@host:6379/0",
  parse: (value) =>
    isText(value) && /^rediss?:\/\/[^/]/.test(value) && URL.canParse(value)
      ? Option.some(Redacted.make(value))
      : Option.none(),
  print: printUrl,
  secret: true
}
