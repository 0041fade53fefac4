/**
 * The server's life: settings, models, listening, ready; then, when it is told to stop, draining and the end.
 */
import { version } from "@sluice/api/Version"
import { SpareWorkers } from "@sluice/core/execution/SpareWorkers"
import { lastKnownGood } from "@sluice/core/registry/LastKnownGood"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { RegistryControl } from "@sluice/core/registry/RegistryControl"
import { readStart } from "@sluice/core/registry/RegistryStart"
import * as Logging from "@sluice/core/telemetry/Logging"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import * as Tracing from "@sluice/core/telemetry/Tracing"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { OtherProcesses } from "./cluster/OtherProcesses.ts"
import { withGeneratedKey } from "./config/GeneratedKey.ts"
import { loadSettings } from "./config/LoadSettings.ts"
import type { ResolvedSettings, Settings, Variables } from "./config/Settings.ts"
import { defaultStateDirectory, lastKnownGoodFile } from "./config/StateDirectory.ts"
import { engineLayer, planRegistry } from "./Engine.ts"
import { Lifecycle } from "./lifecycle/Lifecycle.ts"
import { alone, type Place } from "./Place.ts"

export interface ServeOptions {
  /** The environment that overrides the configuration. */
  readonly env: Variables
  /** Settles when the server is to stop. */
  readonly stop: Effect.Effect<void>
  /** Workers that were started before the server's own imports. */
  readonly spares?: SpareWorkers
  /** One of several processes on the port; alone when left out. */
  readonly place?: Place
}

/** What holds around everything: where log lines and spans go. */
const observability = ({ shutdown, telemetry }: Settings) =>
  Tracing.layer({
    enabled: telemetry.tracing,
    serviceName: "sluice",
    serviceVersion: version,
    shutdownTimeout: shutdown.timeout
  }).pipe(Layer.provideMerge(Logging.layer({ level: telemetry.logLevel, format: telemetry.logFormat })))

const serveModels = Effect.fnUntraced(function*(
  options: ServeOptions,
  resolved: ResolvedSettings
) {
  const { place = alone(resolved), spares = new SpareWorkers(0), stop } = options
  const { settings } = resolved
  const file = settings.models.registry
  const cores = yield* place.cores
  const kept = lastKnownGood(
    lastKnownGoodFile(settings.state.directory ?? defaultStateDirectory(process.env), file),
    file
  )
  const start = yield* readStart(file, kept, planRegistry(settings, cores))
  const ownEngine = yield* Layer.build(engineLayer(settings, start.source.registry, cores, spares))
  const registry = Context.get(ownEngine, ModelRegistry)
  const metrics = Context.get(ownEngine, Metrics)
  const control = yield* Layer.build(RegistryControl.layer({ file, start, kept })).pipe(
    Effect.provideContext(ownEngine)
  )
  const { begun } = Context.get(control, RegistryControl)
  const engine = Context.merge(ownEngine, control).pipe(
    Context.add(Metrics, yield* place.metrics(metrics)),
    Context.add(OtherProcesses, place.others)
  )

  // The models are loading in their workers by now; the HTTP stack is imported meanwhile.
  const { endWebSockets, listeningOn, surfacesLayer } = yield* Effect.promise(() => import("./Surfaces.ts"))
  if (!place.listensFirst) yield* begun
  const surfaces = yield* surfacesLayer(settings).pipe(
    Layer.build,
    Effect.provideContext(engine)
  )
  const lifecycle = Context.get(surfaces, Lifecycle)

  yield* place.listening(listeningOn(surfaces), registry.notices())
  yield* Effect.forkScoped(Effect.gen(function*() {
    yield* begun
    yield* Effect.promise(() => spares.end())
    yield* place.ready(yield* registry.list)
    // The first page starts Node's own metrics, which should not wait for a scraper to come.
    yield* Effect.ignore(metrics.snapshot)
  }))

  yield* stop
  yield* lifecycle.drain
  const drainDelay = Duration.format(settings.shutdown.drainDelay)
  yield* Effect.logInfo(`stopping: readiness fails for ${drainDelay}, then requests in flight finish`)
  yield* Effect.sleep(settings.shutdown.drainDelay)
  yield* lifecycle.close
  // Beside the closing of the listener, which waits for the WebSockets and has the timeout for it all.
  yield* Effect.forkDetach(Effect.andThen(lifecycle.callsEnded, endWebSockets(surfaces)))
}, Effect.scoped)

/** Serves by settings that have been read. */
export const serveResolved = (options: ServeOptions, resolved: ResolvedSettings) =>
  Effect.provide(serveModels(options, resolved), observability(resolved.settings))

/**
 * Serves until `stop` settles. Fails, before it has listened, on a bad configuration, a missing file or a port in use;
 * the error's message is a sentence for the operator.
 */
export const serve = Effect.fnUntraced(function*(options: ServeOptions) {
  yield* serveResolved(options, yield* withGeneratedKey(yield* loadSettings({ env: options.env })))
})
