/**
 * OpenTelemetry's SDK behind Effect's tracer. Loaded only where tracing is on.
 */
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http"
import { tracing } from "@opentelemetry/sdk-node"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { TracingOptions } from "./TracingOptions.ts"

type Report = (error: Error | undefined) => void

/** OpenTelemetry's `ExportResultCode.SUCCESS`. */
const success = 0

/** The query is not for whoever reads traces: somebody may have put a key there. */
const dropQuery = ({ attributes }: tracing.ReadableSpan): void => {
  delete attributes["url.query"]
  const url = attributes["url.full"]
  if (typeof url === "string") attributes["url.full"] = url.replace(/[?#].*$/s, "")
}

/**
 * Tells how each delivery went, and the processor always that it went well: from a failure the processor would make a
 * rejection of its flush, and so of the server's shutdown, though spans are all that is lost.
 */
const observed = (exporter: tracing.SpanExporter, report: Report): tracing.SpanExporter => ({
  export: (spans, done) => {
    for (const span of spans) dropQuery(span)
    exporter.export(spans, ({ code, error }) => {
      report(code === success ? undefined : error ?? new Error("unknown reason"))
      done({ code: success })
    })
  },
  shutdown: () => exporter.shutdown(),
  forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve()
})

/** Logs when deliveries begin to fail and when they succeed again, not each of them. */
const makeReport = Effect.gen(function*() {
  const log = Effect.runForkWith(yield* Effect.context<never>())
  let failing = false
  return (error: Error | undefined): void => {
    const isFailing = error !== undefined
    if (isFailing && !failing) log(Effect.logWarning(`traces cannot be delivered: ${error.message}`))
    if (!isFailing && failing) log(Effect.logInfo("traces are delivered again"))
    failing = isFailing
  }
})

/**
 * Milliseconds for one delivery with its retries, which hold the process that long. OpenTelemetry's own 10 seconds are
 * longer than an orderly end should take.
 */
const deliveryTimeout = 3_000

const optional = (name: string) => Config.String(name).pipe(Config.withDefault(undefined))

const warnOfProtocol = Effect.gen(function*() {
  const protocol = (yield* optional("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")) ??
    (yield* optional("OTEL_EXPORTER_OTLP_PROTOCOL"))
  if (protocol !== undefined && protocol !== "http/json") {
    yield* Effect.logWarning(`traces are sent as http/json: OTEL_EXPORTER_OTLP_PROTOCOL=${protocol} is not supported`)
  }
})

export const layerOtlp = (
  { serviceName, serviceVersion, shutdownTimeout = "3 seconds" }: TracingOptions
): Layer.Layer<never> =>
  NodeSdk.layer(
    Effect.gen(function*() {
      yield* warnOfProtocol
      const ownTimeout = (yield* optional("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT")) ??
        (yield* optional("OTEL_EXPORTER_OTLP_TIMEOUT"))
      const otlp = new OTLPTraceExporter(ownTimeout === undefined ? { timeoutMillis: deliveryTimeout } : {})
      const exporter = observed(otlp, yield* makeReport)
      return {
        resource: {
          serviceName: (yield* optional("OTEL_SERVICE_NAME")) ?? serviceName,
          ...(serviceVersion === undefined ? {} : { serviceVersion })
        },
        spanProcessor: new tracing.BatchSpanProcessor(exporter),
        shutdownTimeout
      }
    }).pipe(Effect.orDie)
  )
