/**
 * Durations as operators write them: `5 millis`, `10s`, `1.5 minutes`, or a plain number in the setting's unit.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

export type DurationUnit = "milliseconds" | "seconds"

const millisBySymbol: Readonly<Record<string, number>> = {
  us: 0.001,
  micro: 0.001,
  microsecond: 0.001,
  ms: 1,
  milli: 1,
  millisecond: 1,
  s: 1_000,
  sec: 1_000,
  second: 1_000,
  m: 60_000,
  min: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000
}

const form = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i

const millisOf = (symbol: string, unit: DurationUnit): number | undefined => {
  if (symbol === "") return unit === "seconds" ? 1_000 : 1
  const name = symbol.toLowerCase()
  // Letter case of one-letter units is left alone: "M" is as likely to mean months or mega.
  if (symbol.length === 1 && symbol !== name) return undefined
  return Object.hasOwn(millisBySymbol, name) ? millisBySymbol[name] : millisBySymbol[name.replace(/s$/, "")]
}

/** The duration that a text or a plain number stands for. */
export const parseDuration = (value: string | number, unit: DurationUnit): Option.Option<Duration.Duration> => {
  const [, amount, symbol] = form.exec(String(value).trim()) ?? []
  if (amount === undefined || symbol === undefined) return Option.none()
  const factor = millisOf(symbol, unit)
  const millis = factor === undefined ? Number.NaN : Number(amount) * factor
  return Number.isFinite(millis) ? Option.some(Duration.millis(millis)) : Option.none()
}

/** What is expected of a duration, for error messages and the reference. */
export const durationExpectation = (unit: DurationUnit): string =>
  `a duration such as "5 millis" or "10s", or a number of ${unit}`

const printed = [["d", 86_400_000], ["h", 3_600_000], ["min", 60_000], ["s", 1_000]] as const

/** A duration as text that `parseDuration` reads back, in the largest unit that keeps it whole. */
export const printDuration = (duration: Duration.Duration): string => {
  const millis = Duration.toMillis(duration)
  const [symbol, factor] = printed.find(([, factor]) => millis >= factor && millis % factor === 0) ?? ["ms", 1]
  return `${millis / factor} ${symbol}`
}

/** A schema for durations in YAML, where a plain number counts in this unit. */
export const DurationText = (unit: DurationUnit) =>
  Schema.Union([Schema.String, Schema.Number]).annotate({ expected: durationExpectation(unit) }).pipe(
    Schema.decodeTo(
      Schema.Duration,
      SchemaTransformation.transformEffect({
        decode: (value: string | number) =>
          Option.match(parseDuration(value, unit), {
            onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ expected: durationExpectation(unit) })),
            onSome: Effect.succeed
          }),
        encode: (duration: Duration.Duration) => Effect.succeed(printDuration(duration))
      })
    )
  )
