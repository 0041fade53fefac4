/**
 * The surfaces on the engine: HTTP in three dialects, RPC in two transports, documents and metrics, on one port.
 */
import { makeSluiceApi } from "@sluice/api/SluiceApi"
import * as ByteSize from "effect/ByteSize"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Headers from "effect/http/Headers"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as UrlParams from "effect/http/UrlParams"
import * as Layer from "effect/Layer"
import { AccessControl } from "./access/AccessControl.ts"
import { GuardedInference } from "./access/GuardedInference.ts"
import type { BoundPorts } from "./Banner.ts"
import { EngineControl } from "./cluster/EngineControl.ts"
import type { Settings } from "./config/Settings.ts"
import { directRoutes } from "./direct/DirectRoutes.ts"
import { breakersHandlers } from "./http/BreakersHandlers.ts"
import { docsPages } from "./http/DocsPages.ts"
import { edge } from "./http/Edge.ts"
import { healthHandlers } from "./http/HealthHandlers.ts"
import { httpListener, UpgradedSockets } from "./http/HttpListener.ts"
import { MetricsPort, metricsPort } from "./http/MetricsPort.ts"
import { metricsRoute } from "./http/MetricsRoute.ts"
import { modelsHandlers } from "./http/ModelsHandlers.ts"
import { oipHandlers } from "./http/OipHandlers.ts"
import { oipRepositoryHandlers } from "./http/OipRepositoryHandlers.ts"
import { openAiHandlers } from "./http/OpenAiHandlers.ts"
import { predictHandlers } from "./http/PredictHandlers.ts"
import { registryHandlers } from "./http/RegistryHandlers.ts"
import { rolloutHandlers } from "./http/RolloutHandlers.ts"
import { routeGuard } from "./http/RouteGuard.ts"
import { Lifecycle } from "./lifecycle/Lifecycle.ts"
import { rpcRoutes } from "./rpc/RpcHandlers.ts"

const routesLayer = (settings: Settings) => {
  const api = makeSluiceApi(settings.server.apiPrefix)
  const handlers = HttpApiBuilder.layer(api).pipe(
    Layer.provide([
      predictHandlers(api),
      modelsHandlers(api),
      healthHandlers(api),
      oipHandlers(api),
      oipRepositoryHandlers(api),
      registryHandlers(api),
      rolloutHandlers(api),
      breakersHandlers(api),
      openAiHandlers(api)
    ]),
    Layer.provide(routeGuard)
  )
  return Layer.mergeAll(
    handlers,
    rpcRoutes(settings.limits.maxBodyBytes),
    settings.docs.enabled ? docsPages(api) : Layer.empty,
    settings.telemetry.metricsPort === undefined
      ? metricsRoute({ open: settings.auth.openMetrics })
      : Layer.empty,
    edge(api, { openMetrics: settings.auth.openMetrics, origins: settings.server.corsOrigins ?? [] }),
    settings.telemetry.tracing ? Layer.empty : directRoutes({
      apiPrefix: settings.server.apiPrefix,
      maxBodyBytes: settings.limits.maxBodyBytes
    })
  ).pipe(
    Layer.provide(EngineControl.layer),
    Layer.provideMerge(Lifecycle.layer),
    Layer.provide(AccessControl.layer(settings.auth)),
    Layer.provide(GuardedInference.layer)
  )
}

/** What holds for every request: how large it may be, and which headers and parameters no span or log may show. */
const requestDefaults = (settings: Settings) =>
  Layer.mergeAll(
    Layer.succeed(HttpIncomingMessage.MaxBodySize, ByteSize.fromInputUnsafe(settings.limits.maxBodyBytes)),
    Layer.succeed(UrlParams.CurrentRedactedNames, [/^/]),
    Layer.succeed(Headers.CurrentRedactedNames, ["authorization", "cookie", "set-cookie", "x-api-key", "x-token"])
  )

/** The certificate's files, where the port speaks https. */
const certificateOf = ({ tls: { cert, key } }: Settings["server"]) =>
  cert === undefined || key === undefined ? undefined : { cert, key }

const mainPort = (settings: Settings) =>
  HttpRouter.serve(routesLayer(settings), { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provide(requestDefaults(settings)),
    Layer.provideMerge(
      httpListener({
        host: settings.server.host,
        port: settings.server.port,
        certificate: certificateOf(settings.server),
        headersTimeout: settings.limits.headersTimeout,
        maxConnections: settings.limits.maxConnections,
        maxMessageBytes: settings.limits.maxBodyBytes,
        shutdownTimeout: settings.shutdown.timeout
      })
    )
  )

/** Serves the routes on the configured address, and the second port where one is set. */
export const surfacesLayer = (settings: Settings) => {
  const { limits: { headersTimeout }, server: { host }, telemetry } = settings
  const second = telemetry.metricsPort === undefined
    ? MetricsPort.none
    : metricsPort({ host, port: telemetry.metricsPort, headersTimeout })
  return Layer.provideMerge(second, mainPort(settings))
}

/** The ports that were bound. */
export const listeningOn = (surfaces: Context.Context<HttpServer.HttpServer | MetricsPort>): BoundPorts => {
  const { address } = Context.get(surfaces, HttpServer.HttpServer)
  const metricsPort = Context.get(surfaces, MetricsPort).port
  return { port: address._tag === "UnixPathAddress" ? undefined : address.port, metricsPort }
}

/** WebSockets stay open until somebody ends them; their calls have been answered by now. */
export const endWebSockets = (surfaces: Context.Context<UpgradedSockets>): Effect.Effect<void> =>
  Context.get(surfaces, UpgradedSockets).end
