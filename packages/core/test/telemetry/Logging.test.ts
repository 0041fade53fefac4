import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as fc from "fast-check"
import { layer, LOG_LEVELS, type LoggingOptions } from "../../src/telemetry/Logging.ts"
import { jsonLine, type LogEvent, prettyLine } from "../../src/telemetry/LogLine.ts"

const event = (overrides: Partial<LogEvent>): LogEvent => ({
  time: new Date("2026-11-21T14:05:57.123Z"),
  level: "warn",
  message: ["hello"],
  annotations: {},
  cause: Cause.empty,
  span: undefined,
  ...overrides
})
const parsed = (line: string): Record<string, unknown> => JSON.parse(line)

/** What a terminal or a reader of lines would act upon. */
// oxlint-disable-next-line no-control-regex
const actedUpon = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

/** What an effect logs under the layer. */
const logged = <A, E>(
  effect: Effect.Effect<A, E>,
  options: Partial<LoggingOptions> & { readonly isTTY?: boolean } = {}
) => {
  const written: Array<string> = []
  const { isTTY = false, ...rest } = options
  const output = { isTTY, write: (text: string) => written.push(text) }
  return Effect.as(
    Effect.exit(Effect.provide(effect, layer({ level: "info", format: "json", output, ...rest }))),
    written
  )
}

describe("jsonLine", () => {
  it("has time, level, message and annotations", () => {
    assert.deepStrictEqual(
      parsed(jsonLine(event({ message: ["took", 3, { ms: 1 }], annotations: { request_id: "r-1", items: 2 } }))),
      { time: "2026-11-21T14:05:57.123Z", level: "warn", message: `took 3 {"ms":1}`, request_id: "r-1", items: 2 }
    )
  })

  it("lets no annotation pass itself off for what the event says", () => {
    const annotations = { time: "never", level: "info", message: "all is well", cause: "none", trace_id: "x" }
    const span = { traceId: "a".repeat(32), spanId: "b".repeat(16) }
    const line = parsed(jsonLine(event({ annotations, span, cause: Cause.fail(new Error("broken")) })))
    assert.deepInclude(line, {
      time: "2026-11-21T14:05:57.123Z",
      level: "warn",
      message: "hello",
      trace_id: span.traceId
    })
    assert.include(String(line["cause"]), "broken")
  })

  it("is one line that reads back, whatever the texts", () => {
    const anyText = fc.string({ unit: "binary" })
    fc.assert(
      fc.property(anyText, anyText, (message, value) => {
        const line = jsonLine(
          event({ message: [message], annotations: { value }, cause: Cause.fail(new Error(value)) })
        )
        assert.notMatch(line, actedUpon)
        assert.deepInclude(parsed(line), { message, value })
      }),
      { seed: 5, numRuns: 500 }
    )
  })

  it("prints what cannot be printed plainly without failing", () => {
    const circular: Record<string, unknown> = { name: "loop" }
    circular["self"] = circular
    const thrower = {
      toJSON: () => {
        throw new Error("no")
      }
    }
    for (const value of [circular, 12n, Symbol("s"), () => 1, undefined, thrower, Number.NaN]) {
      const line = parsed(jsonLine(event({ message: ["before", value], annotations: { value, note: "kept" } })))
      assert.deepInclude(line, { level: "warn", note: "kept" })
      assert.match(String(line["message"]), /^before /)
    }
  })
})

describe("escaping", () => {
  const dangerous = {
    "a line end": "\n",
    "a carriage return": "\r",
    "a terminal's escape": "\u001b",
    "a terminal's escape of one byte": "\u009b",
    "a delete": "\u007f",
    "a line separator": "\u2028",
    "a paragraph separator": "\u2029",
    "an override of direction": "\u202e",
    "an isolate": "\u2066"
  }
  for (const [what, character] of Object.entries(dangerous)) {
    it(`lets ${what} through in no place`, () => {
      const text = `before${character}after`
      const hostile = event({ message: [text], annotations: { [text]: text }, cause: Cause.empty })
      for (const line of [jsonLine(hostile), prettyLine(hostile, false)]) {
        assert.notInclude(line, character)
        assert.include(line, "before")
      }
    })
  }
})

describe("prettyLine", () => {
  it("is short, with values quoted where they need it", () => {
    const annotations = { model: "m@v1", note: "two words", items: 2 }
    assert.strictEqual(
      prettyLine(event({ annotations }), false),
      `14:05:57.123 WARN  hello model=m@v1 note="two words" items=2`
    )
  })

  it("lets no text begin a line, or speak to the terminal", () => {
    const anyText = fc.string({ unit: "binary" })
    fc.assert(
      fc.property(anyText, anyText, (message, value) => {
        const cause = Cause.fail(new Error(`${message}\n14:05:57.124 ERROR forged`))
        const [first = "", ...rest] = prettyLine(
          event({ message: [message], annotations: { [value]: value }, cause }),
          false
        )
          .split("\n")
        assert.notMatch(first, actedUpon)
        for (const line of rest) {
          assert.isTrue(line.startsWith("    "), line)
          assert.notMatch(line, actedUpon)
        }
      }),
      { seed: 6, numRuns: 500 }
    )
  })

  it("colours the level and nothing else, and only when told to", () => {
    const line = prettyLine(event({ level: "error" }), true)
    assert.strictEqual(line, "14:05:57.123 \u001b[31mERROR\u001b[0m hello")
  })
})

describe("Logging", () => {
  it.effect("never prints what is redacted", () =>
    Effect.gen(function*() {
      const secret = Redacted.make("hunter2secret")
      const chatter = Effect.logError(secret, { token: secret }, `template ${secret}`, Cause.fail({ token: secret }))
        .pipe(
          Effect.annotateLogs({ token: secret, deep: { list: [secret] } })
        )
      for (const format of ["json", "pretty"] as const) {
        const written = (yield* logged(chatter, { format })).join("")
        assert.include(written, "redacted")
        assert.notInclude(written, "hunter2secret")
      }
    }))

  it.effect("logs what is as severe as the level, and nothing below it", () =>
    Effect.gen(function*() {
      const everything = Effect.all([
        Effect.logTrace("trace"),
        Effect.logDebug("debug"),
        Effect.logInfo("info"),
        Effect.logWarning("warn"),
        Effect.logError("error"),
        Effect.logFatal("fatal")
      ])
      for (const [index, level] of LOG_LEVELS.entries()) {
        const written = yield* logged(everything, { level })
        assert.deepStrictEqual(written.map((line) => parsed(line)["level"]), LOG_LEVELS.slice(index, -1))
      }
    }))

  it.effect("writes JSON to a file and lines for people to a terminal, unless told otherwise", () =>
    Effect.gen(function*() {
      const isJson = (options: Parameters<typeof logged>[1]) =>
        Effect.map(logged(Effect.logInfo("hello"), options), (written) => written.join("").startsWith("{"))
      assert.isTrue(yield* isJson({ format: "auto", isTTY: false }))
      assert.isFalse(yield* isJson({ format: "auto", isTTY: true }))
      assert.isTrue(yield* isJson({ format: "json", isTTY: true }))
      assert.isFalse(yield* isJson({ format: "pretty", isTTY: false }))
    }))

  it.effect("writes each event as one line, with its annotations and its cause", () =>
    Effect.gen(function*() {
      const written = yield* logged(
        Effect.logError("it broke", Cause.die(new Error("fault"))).pipe(Effect.annotateLogs("request_id", "r-1"))
      )
      assert.strictEqual(written.length, 1)
      assert.isTrue(written[0]?.endsWith("}\n"))
      const line = parsed(written[0] ?? "")
      assert.deepInclude(line, { message: "it broke", level: "error", request_id: "r-1" })
      assert.include(String(line["cause"]), "fault")
    }))

  it.effect("names the span it happens in, while tracing is on", () =>
    Effect.gen(function*() {
      const inSpan = Effect.withSpan(Effect.logInfo("hello"), "work")
      const on = parsed((yield* logged(inSpan)).join(""))
      assert.match(String(on["trace_id"]), /^[0-9a-f]{32}$/)
      assert.match(String(on["span_id"]), /^[0-9a-f]{16}$/)
      const off = parsed((yield* logged(inSpan.pipe(Effect.provideService(References.TracerEnabled, false)))).join(""))
      assert.notProperty(off, "trace_id")
    }))
})
