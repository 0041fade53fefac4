import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { currentSpan, withBatchSpan, withSpan } from "../../src/telemetry/Spans.ts"

/** Keeps every span that is made. */
const recording = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, run: <A, E>(effect: Effect.Effect<A, E>) => Effect.provideService(effect, Tracer.Tracer, tracer) }
}
const off = Effect.provideService(References.TracerEnabled, false)

describe("Spans", () => {
  it.effect("a span is the child of the one it is in", () => {
    const { run, spans } = recording()
    return Effect.gen(function*() {
      const inner = yield* currentSpan.pipe(withSpan("inner"), withSpan("outer", { model: "m" }), run)
      assert.deepStrictEqual(spans.map(({ name }) => name), ["outer", "inner"])
      assert.strictEqual(inner?.spanId, spans[1]?.spanId)
      assert.deepStrictEqual(spans[1]?.parent.valueOrUndefined, spans[0])
      assert.strictEqual(spans[0]?.attributes.get("model"), "m")
    })
  })

  it.effect("a batch is linked to each request once and is no one's child", () => {
    const { run, spans } = recording()
    return Effect.gen(function*() {
      const [a, b] = [yield* currentSpan.pipe(withSpan("a")), yield* currentSpan.pipe(withSpan("b"))]
      yield* Effect.void.pipe(withBatchSpan("batch", [a, undefined, b, a]), withSpan("around"))
      const batch = spans.find(({ name }) => name === "batch")
      assert.deepStrictEqual(batch?.links.map(({ span }) => span.spanId), [a?.spanId, b?.spanId])
      assert.strictEqual(batch?.parent._tag, "None")
    }).pipe(run)
  })

  it.effect("a batch of requests without a span has none", () => {
    const { run, spans } = recording()
    return Effect.gen(function*() {
      assert.strictEqual(yield* Effect.succeed(1).pipe(withBatchSpan("batch", [undefined]), run), 1)
      assert.deepStrictEqual(spans, [])
    })
  })

  it.effect("while tracing is off there are none, and effects do what they do", () => {
    const { run, spans } = recording()
    return Effect.gen(function*() {
      const parent = Tracer.externalSpan({ traceId: "a", spanId: "b" })
      const seen = yield* currentSpan.pipe(
        withBatchSpan("batch", [parent]),
        withSpan("outer"),
        Effect.withParentSpan(parent)
      )
      assert.isUndefined(seen)
      assert.strictEqual(yield* Effect.flip(Effect.fail("broken").pipe(withSpan("fails"))), "broken")
      assert.deepStrictEqual(spans, [])
    }).pipe(off, run)
  })
})
