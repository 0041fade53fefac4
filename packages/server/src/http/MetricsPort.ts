/**
 * The second port: `/metrics` and the health probes alone, in plain HTTP, for a network that nobody else is on.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import { json } from "./Answer.ts"
import { health, readinessAnswer } from "./HealthHandlers.ts"
import { explainListening } from "./ListenFailed.ts"
import { metricsRoute } from "./MetricsRoute.ts"
import { makeNodeServer } from "./NodeServer.ts"

/** The port that was bound for it; undefined where there is none. */
export class MetricsPort extends Context.Service<MetricsPort, {
  readonly port: number | undefined
}>()("sluice/server/MetricsPort") {
  static readonly none = Layer.succeed(MetricsPort, { port: undefined })
}

/** On a router of its own, for the main port's has the same paths. */
const served = Layer.unwrap(Effect.gen(function*() {
  const router = yield* HttpRouter.make
  const registry = yield* ModelRegistry
  const readiness = readinessAnswer(yield* Lifecycle)
  yield* router.add(
    "GET",
    "/health",
    Effect.map(Effect.provideService(health, ModelRegistry, registry), (body) => json(body))
  )
  yield* router.add("GET", "/readiness", readiness)
  yield* router.add("GET", "/readyz", readiness)
  yield* router.add("GET", "/livez", Effect.sync(() => json({ status: "live" })))
  yield* Effect.provideService(Layer.build(metricsRoute({ open: true })), HttpRouter.HttpRouter, router)
  return HttpServer.serve(router.asHttpEffect())
}))

const bound = Layer.effect(
  MetricsPort,
  Effect.map(HttpServer.HttpServer, ({ address }) => ({
    port: address._tag === "UnixPathAddress" ? undefined : address.port
  }))
)

export const metricsPort = (options: {
  readonly host: string
  readonly port: number
  readonly headersTimeout: Duration.Duration
}) => {
  const { headersTimeout, host, port } = options
  return Layer.merge(served, bound).pipe(
    Layer.provide(
      NodeHttpServer.layer(() => makeNodeServer({ headersTimeoutMs: Duration.toMillis(headersTimeout) }), {
        host,
        port,
        gracefulShutdownTimeout: "1 second"
      }).pipe(explainListening({ host, port, portVariable: "METRICS_PORT" }))
    )
  )
}
