/**
 * Prometheus' page at `/metrics`.
 */
import { Metrics } from "@sluice/core/telemetry/Metrics"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

const page = Effect.gen(function*() {
  const { body, contentType } = yield* Effect.orDie((yield* Metrics).render)
  return HttpServerResponse.text(body, { contentType })
})

export const metricsRoute = HttpRouter.use((router) =>
  Effect.gen(function*() {
    const metrics = yield* Metrics
    if (metrics.enabled) yield* router.add("GET", "/metrics", Effect.provideService(page, Metrics, metrics))
  })
)
