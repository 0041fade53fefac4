/**
 * Traces to an OpenTelemetry collector. Off, spans are not made; on, the SDK is loaded, which takes 200 ms.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type { TracingOptions } from "./TracingOptions.ts"

/**
 * To be provided outermost, so that it ends last. The collector is named by OpenTelemetry's own variables:
 * `OTEL_EXPORTER_OTLP_ENDPOINT` (http://localhost:4318), `_HEADERS`, `_TIMEOUT` (3 s), `_COMPRESSION`, and those of them
 * for traces alone; `OTEL_TRACES_SAMPLER` and its `_ARG`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`. Spans go as OTLP over HTTP
 * in JSON. A collector that is away costs spans, and nothing else.
 */
export const layer = (options: TracingOptions): Layer.Layer<never> =>
  options.enabled
    ? Layer.unwrap(Effect.map(Effect.promise(() => import("./OtlpTracing.ts")), ({ layerOtlp }) => layerOtlp(options)))
    : Layer.succeed(References.TracerEnabled, false)
