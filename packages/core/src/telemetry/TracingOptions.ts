/**
 * What an operator decides of tracing, beside what OpenTelemetry's own variables say.
 */
import type * as Duration from "effect/Duration"

export interface TracingOptions {
  readonly enabled: boolean
  /** What the spans are shown under; `OTEL_SERVICE_NAME` wins. */
  readonly serviceName: string
  readonly serviceVersion?: string
  /** How long the end of the process may wait for the last spans to be delivered. */
  readonly shutdownTimeout?: Duration.Input
}
