/**
 * Limits as operators write them, for the whole server, a model or a key: how many requests, items and tokens in a time, and
 * how many calls at once.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { parseDuration, printDuration } from "../config/DurationText.ts"

/** At most so many in any stretch of time of that length. */
export interface Rate {
  readonly amount: number
  readonly windowMs: number
}

const form = /^(\d{1,15})\s*(?:\/|per)\s*(\d{1,6})?\s*([a-z]+)$/i

/** `100/s`, `5000 / 10 min`, `100 per second`. A window of 1 ms to 31 days in whole milliseconds, an amount of at least 1. */
export const parseRate = (text: string): Option.Option<Rate> => {
  const [, amountText, countText = "1", unit] = form.exec(text.trim()) ?? []
  if (amountText === undefined || unit === undefined) return Option.none()
  return parseDuration(countText + unit, "milliseconds").pipe(
    Option.map((window): Rate => ({ amount: Number(amountText), windowMs: Duration.toMillis(window) })),
    Option.filter(({ amount, windowMs }) =>
      amount >= 1 && Number.isInteger(windowMs) && windowMs >= 1 && windowMs <= 31 * 86_400_000
    )
  )
}

/** As `parseRate` reads it back. */
export const printRate = ({ amount, windowMs }: Rate): string =>
  `${amount}/${printDuration(Duration.millis(windowMs)).replace(/^1 /, "").replace(" ", "")}`

export const rateExpectation = `a rate such as "100/s", "5000/min" or "100000/10 min"`

const RateFromText = Schema.String.annotate({ expected: rateExpectation }).pipe(
  Schema.decodeTo(
    Schema.Struct({ amount: Schema.Finite, windowMs: Schema.Finite }),
    SchemaTransformation.transformEffect({
      decode: (text) =>
        Option.match(parseRate(text), {
          onNone: () => Effect.fail(new SchemaIssue.InvalidValue({ expected: rateExpectation })),
          onSome: Effect.succeed
        }),
      encode: (rate) => Effect.succeed(printRate(rate))
    })
  )
)

/** `requests`, `items` and `tokens`: rates. `concurrent`: calls under way at one moment. What is left out has no limit. */
export const LimitsSchema = Schema.Struct({
  requests: Schema.optionalKey(RateFromText),
  items: Schema.optionalKey(RateFromText),
  tokens: Schema.optionalKey(RateFromText),
  concurrent: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000 })))
})
export type Limits = typeof LimitsSchema.Type

export type LimitMetric = keyof Limits
/** Whose limit it is. */
export type LimitScope = "key" | "model" | "global"

/**
 * What becomes of calls while the store of limits does not answer. `open`: they are let through; `closed`: they are refused;
 * `local`: each process counts for itself, from nothing.
 */
export const failModes = ["open", "closed", "local"] as const
export type FailMode = typeof failModes[number]
