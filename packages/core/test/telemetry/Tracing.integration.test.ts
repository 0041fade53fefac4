import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { currentSpan, withBatchSpan, withSpan } from "../../src/telemetry/Spans.ts"
import { layer as layerTracing } from "../../src/telemetry/Tracing.ts"
import { otlpReceiver, type ReceivedSpan } from "./OtlpReceiver.ts"

/** The SDK reads its settings from the process' environment, so the tests of this file run one after the other. */
const withEnvironment = (variables: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

const options = { enabled: true, serviceName: "sluice-under-test", serviceVersion: "1.2.3" }

/** Runs under a tracing layer of its own, whose end is what delivers the spans. */
const traced = <A, E>(
  url: string,
  effect: Effect.Effect<A, E>,
  overrides: Partial<Parameters<typeof layerTracing>[0]> = {},
  variables: Readonly<Record<string, string>> = {}
) =>
  Effect.gen(function*() {
    yield* withEnvironment({ OTEL_EXPORTER_OTLP_ENDPOINT: url, ...variables })
    const scope = yield* Scope.make()
    const layer = layerTracing({ ...options, ...overrides }).pipe(
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv()))
    )
    const context = yield* Layer.buildWithScope(layer, scope)
    const result = yield* Effect.provide(effect, context)
    const [took, exit] = yield* Effect.timed(Effect.exit(Scope.close(scope, Exit.void)))
    return { result, closing: { exit, ms: Duration.toMillis(took) } }
  }).pipe(Effect.scoped)

const named = (spans: ReadonlyArray<ReceivedSpan>, name: string): ReceivedSpan => {
  const found = spans.filter((span) => span.name === name)
  assert.strictEqual(found.length, 1, `spans named ${name}`)
  return found[0] ?? assert.fail()
}
const attributesOf = (attributes: ReceivedSpan["attributes"]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]))

const caller = (digit: string, sampled = true) =>
  Tracer.externalSpan({ traceId: digit.repeat(32), spanId: digit.repeat(16), sampled })

/** A request that comes with a caller's span, as a surface makes it; it gives the span that its item waits in. */
const request = (name: string, parent: Tracer.ExternalSpan) =>
  currentSpan.pipe(
    withSpan(`${name} queue`),
    withSpan(name, { model: "m", items: 2 }),
    Effect.withParentSpan(parent)
  )

const twoRequestsInABatch = Effect.gen(function*() {
  const first = yield* request("first", caller("a"))
  const second = yield* request("second", caller("b"))
  return yield* Effect.succeed("computed").pipe(
    withSpan("run"),
    withBatchSpan("batch", [first, second, first], { "batch.size": 3 })
  )
})

describe("Tracing", () => {
  it.live("delivers a request's spans under its caller's trace, and a batch linked to its requests", () =>
    Effect.gen(function*() {
      const receiver = yield* otlpReceiver
      const { closing, result } = yield* traced(receiver.url, twoRequestsInABatch)
      assert.strictEqual(result, "computed")
      assert.isTrue(Exit.isSuccess(closing.exit))
      const spans = receiver.spans()
      assert.strictEqual(spans.length, 6)

      const first = named(spans, "first")
      assert.deepStrictEqual([first.traceId, first.parentSpanId], ["a".repeat(32), "a".repeat(16)])
      assert.deepStrictEqual(attributesOf(first.attributes), { model: "m", items: 2 })
      const firstQueue = named(spans, "first queue")
      assert.deepStrictEqual([firstQueue.traceId, firstQueue.parentSpanId], [first.traceId, first.spanId])
      const secondQueue = named(spans, "second queue")
      assert.strictEqual(secondQueue.traceId, "b".repeat(32))

      const batch = named(spans, "batch")
      assert.isUndefined(batch.parentSpanId)
      assert.deepStrictEqual(
        batch.links.map(({ spanId, traceId }) => ({ traceId, spanId })),
        [firstQueue, secondQueue].map(({ spanId, traceId }) => ({ traceId, spanId }))
      )
      assert.deepStrictEqual(attributesOf(batch.attributes), { "batch.size": 3 })
      assert.deepStrictEqual([named(spans, "run").traceId, named(spans, "run").parentSpanId], [
        batch.traceId,
        batch.spanId
      ])
    }).pipe(Effect.scoped))

  it.live("names the service, and takes OpenTelemetry's own variables", () =>
    Effect.gen(function*() {
      const receiver = yield* otlpReceiver
      const resource = () => {
        const { body, path } = receiver.requests.at(-1) ?? assert.fail("nothing was delivered")
        assert.strictEqual(path, "/v1/traces")
        return attributesOf(body.resourceSpans[0]?.resource.attributes ?? [])
      }
      const work = Effect.void.pipe(withSpan("work"))
      yield* traced(receiver.url, work)
      assert.include(resource(), { "service.name": "sluice-under-test", "service.version": "1.2.3" })
      yield* traced(receiver.url, work, {}, {
        OTEL_SERVICE_NAME: "from the environment",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test"
      })
      assert.include(resource(), { "service.name": "from the environment", "deployment.environment.name": "test" })
      const before = receiver.requests.length
      yield* traced(receiver.url, work, {}, { OTEL_TRACES_SAMPLER: "always_off" })
      assert.strictEqual(receiver.requests.length, before)
    }).pipe(Effect.scoped))

  it.live("marks the span of what failed", () =>
    Effect.gen(function*() {
      const receiver = yield* otlpReceiver
      const work = Effect.exit(Effect.fail(new Error("broken")).pipe(withSpan("work")))
      yield* traced(receiver.url, work)
      assert.strictEqual(named(receiver.spans(), "work").status.code, 2)
    }).pipe(Effect.scoped))

  it.live("sends nothing of a request whose caller does not sample it", () =>
    Effect.gen(function*() {
      const receiver = yield* otlpReceiver
      const work = Effect.gen(function*() {
        const unsampled = yield* request("unsampled", caller("c", false))
        yield* Effect.void.pipe(withBatchSpan("batch of none", [unsampled]))
        const sampled = yield* request("sampled", caller("d"))
        yield* Effect.void.pipe(withBatchSpan("batch of one", [unsampled, sampled]))
      })
      yield* traced(receiver.url, work)
      assert.deepStrictEqual(receiver.spans().map(({ name }) => name), ["sampled queue", "sampled", "batch of one"])
      assert.strictEqual(named(receiver.spans(), "batch of one").links.length, 1)
    }).pipe(Effect.scoped))

  it.live("switched off, delivers nothing", () =>
    Effect.gen(function*() {
      const receiver = yield* otlpReceiver
      const { result } = yield* traced(receiver.url, twoRequestsInABatch, { enabled: false })
      assert.deepStrictEqual([result, receiver.requests.length], ["computed", 0])
    }).pipe(Effect.scoped))

  const shutdownTimeout = Duration.millis(300)
  for (const behaviour of ["refuse", "unavailable", "hang", "gone"] as const) {
    it.live(`fails nothing and ends in time when the collector does this: ${behaviour}`, () =>
      Effect.gen(function*() {
        const receiver = yield* otlpReceiver
        if (behaviour !== "gone") receiver.behave(behaviour)
        const url = behaviour === "gone" ? "http://127.0.0.1:1" : receiver.url
        const { closing, result } = yield* traced(url, twoRequestsInABatch, { shutdownTimeout })
        assert.strictEqual(result, "computed")
        assert.isTrue(Exit.isSuccess(closing.exit), String(closing.exit))
        assert.isBelow(closing.ms, 1_500)
      }).pipe(Effect.provide(Logger.layer([])), Effect.scoped))
  }

  it.live("logs that deliveries fail once, and once that they succeed again", () => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => {
      lines.push(String(message))
    })
    return Effect.gen(function*() {
      const receiver = yield* otlpReceiver
      receiver.behave("refuse")
      const span = (name: string) => Effect.void.pipe(withSpan(name))
      const until = (done: () => boolean) => Effect.repeat(Effect.sleep("5 millis"), { until: done })
      const work = Effect.gen(function*() {
        yield* span("lost")
        yield* until(() => lines.length > 0)
        yield* span("lost too")
        receiver.behave("accept")
        yield* Effect.repeat(Effect.andThen(span("delivered"), Effect.sleep("20 millis")), {
          until: () => lines.length > 1
        })
      })
      yield* traced(receiver.url, work, {}, { OTEL_BSP_SCHEDULE_DELAY: "10" })
      assert.strictEqual(lines.length, 2, lines.join("\n"))
      assert.match(lines[0] ?? "", /^traces cannot be delivered: /)
      assert.strictEqual(lines[1], "traces are delivered again")
    }).pipe(Effect.provide(Logger.layer([logger])), Effect.scoped)
  })

  it.live("says so when a protocol is asked for that it does not speak", () => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => {
      lines.push(String(message))
    })
    return Effect.gen(function*() {
      const receiver = yield* otlpReceiver
      yield* traced(receiver.url, Effect.void, {}, { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" })
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0], "grpc")
    }).pipe(Effect.provide(Logger.layer([logger])), Effect.scoped)
  })
})
