/**
 * The server's life: settings, models, listening, ready; then, when it is told to stop, draining and the end.
 */
import { readRegistry } from "@sluice/core/registry/RegistryFile"
import { detectCores } from "@sluice/core/execution/Cores"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import { listenBanner, readyBanner } from "./Banner.ts"
import { loadSettings } from "./config/LoadSettings.ts"
import { httpListener } from "./http/HttpListener.ts"
import { Lifecycle } from "./lifecycle/Lifecycle.ts"
import { engineLayer, routesLayer } from "./Platform.ts"

/**
 * Serves until `stop` settles. Fails, before it has listened, on a bad configuration, a missing file or a port in use;
 * the error's message is one sentence for the operator.
 */
export const serve = Effect.fnUntraced(function*(stop: Effect.Effect<void>) {
  const { notices, settings } = yield* loadSettings({ env: process.env })
  const registryFile = yield* readRegistry(settings.models.registry)
  const cores = yield* detectCores
  const { host, port } = settings.server

  const listener = httpListener({ host, port, shutdownTimeout: settings.shutdown.timeout })
  const app = HttpRouter.serve(routesLayer(settings), { disableLogger: true, disableListenLog: true }).pipe(
    Layer.provideMerge(engineLayer(settings, registryFile, cores)),
    Layer.provideMerge(listener)
  )

  yield* Effect.gen(function*() {
    const context = yield* Layer.build(app)
    const registry = Context.get(context, ModelRegistry)
    const lifecycle = Context.get(context, Lifecycle)
    const { address } = Context.get(context, HttpServer.HttpServer)
    for (const notice of [...notices, ...registry.notices]) yield* Effect.logWarning(notice)
    yield* Console.log(listenBanner(settings, address))
    yield* Effect.forkScoped(
      registry.settled.pipe(
        Effect.andThen(registry.list),
        Effect.flatMap((versions) => Console.log(readyBanner(versions, process.uptime() * 1000)))
      )
    )
    yield* stop
    yield* lifecycle.drain
    yield* Effect.logInfo(`stopping: readiness fails for ${Duration.format(settings.shutdown.drainDelay)}, then requests in flight finish`)
    yield* Effect.sleep(settings.shutdown.drainDelay)
  }).pipe(Effect.scoped)
})
