import { assert, describe, it } from "@effect/vitest"
import { DurationText, parseDuration, printDuration } from "@sluice/core/config/DurationText"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"

const millisOf = (value: string | number, unit: "milliseconds" | "seconds" = "milliseconds") =>
  Option.getOrUndefined(Option.map(parseDuration(value, unit), Duration.toMillis))

describe("parseDuration", () => {
  it.each([
    ["0", 0],
    ["5", 5],
    ["5 millis", 5],
    ["5 ms", 5],
    ["5ms", 5],
    [" 10s ", 10_000],
    ["10 seconds", 10_000],
    ["1 second", 1_000],
    ["1.5 minutes", 90_000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["365 days", 31_536_000_000],
    ["250 us", 0.25],
    ["5 MS", 5]
  ])("reads %j", (text, millis) => {
    assert.strictEqual(millisOf(text), millis)
  })

  it("counts a plain number in the setting's unit", () => {
    assert.strictEqual(millisOf(30, "seconds"), 30_000)
    assert.strictEqual(millisOf("30", "seconds"), 30_000)
    assert.strictEqual(millisOf("30 ms", "seconds"), 30)
    assert.strictEqual(millisOf(0.5, "milliseconds"), 0.5)
  })

  it.each([
    "",
    " ",
    "ms",
    "-5",
    "-5 ms",
    "5 foo",
    "5 M",
    "1e3",
    "0x10",
    "Infinity",
    "NaN",
    "1,5 s",
    "5 s 3 ms",
    "toString"
  ])(
    "refuses %j",
    (text) => assert.isUndefined(millisOf(text))
  )

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1])("refuses the number %d", (number) => {
    assert.isUndefined(millisOf(number))
  })

  it("reads back what printDuration prints", () => {
    const unit = fc.constantFrom("milliseconds", "seconds")
    fc.assert(
      fc.property(fc.nat(100_000_000), fc.constantFrom(1, 1_000, 60_000, 3_600_000), unit, (n, factor, unit) => {
        const text = printDuration(Duration.millis(n * factor))
        assert.strictEqual(millisOf(text, unit), n * factor)
      })
    )
  })
})

describe("printDuration", () => {
  it.each([[0, "0 ms"], [500, "500 ms"], [1_500, "1500 ms"], [30_000, "30 s"], [60_000, "1 min"], [3_600_000, "1 h"]])(
    "prints %d ms as %s",
    (millis, text) => assert.strictEqual(printDuration(Duration.millis(millis)), text)
  )
})

describe("DurationText", () => {
  const decode = Schema.decodeUnknownResult(DurationText("seconds"))

  it("decodes text and numbers", () => {
    assert.deepStrictEqual(Result.map(decode("5 ms"), Duration.toMillis), Result.succeed(5))
    assert.deepStrictEqual(Result.map(decode(2), Duration.toMillis), Result.succeed(2_000))
  })

  it.each([["5 foo"], [true], [null], [-1]])("says what it expects in place of %j", (value) => {
    const result = decode(value)
    assert.isTrue(Result.isFailure(result))
    assert.include(String(Result.isFailure(result) && result.failure), "a duration such as \"5 millis\" or \"10s\"")
  })
})
