/**
 * The platform's Layers, put together from the settings: the engine below, the surfaces on it.
 */
import { makeSluiceApi } from "@sluice/api/SluiceApi"
import { Batcher } from "@sluice/core/batching/Batcher"
import { CacheStoreHealth } from "@sluice/core/cache/CacheStoreHealth"
import { layerMemory } from "@sluice/core/cache/CacheStoreMemory"
import { PredictionCache } from "@sluice/core/cache/PredictionCache"
import { ModelHost } from "@sluice/core/execution/ModelHost"
import { WorkerPool } from "@sluice/core/execution/WorkerPool"
import { Inference } from "@sluice/core/Inference"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import type { Registry } from "@sluice/core/registry/RegistryEntry"
import { CircuitBreaker } from "@sluice/core/resilience/CircuitBreaker"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import * as ByteSize from "effect/ByteSize"
import * as Duration from "effect/Duration"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import { AccessControl } from "./access/AccessControl.ts"
import type { Settings } from "./config/Settings.ts"
import { docsPages } from "./http/DocsPages.ts"
import { edge } from "./http/Edge.ts"
import { healthHandlers } from "./http/HealthHandlers.ts"
import { metricsRoute } from "./http/MetricsRoute.ts"
import { modelsHandlers } from "./http/ModelsHandlers.ts"
import { oipHandlers } from "./http/OipHandlers.ts"
import { openAiHandlers } from "./http/OpenAiHandlers.ts"
import { predictHandlers } from "./http/PredictHandlers.ts"
import { Lifecycle } from "./lifecycle/Lifecycle.ts"
import { rpcRoutes } from "./rpc/RpcHandlers.ts"

const cacheLayer = (settings: Settings) => {
  if (!settings.cache.enabled) return Layer.merge(PredictionCache.layerDisabled, CacheStoreHealth.layerLocal)
  const store = Layer.merge(layerMemory({ maxBytes: settings.cache.maxBytes }), CacheStoreHealth.layerLocal)
  return PredictionCache.layer({ timeToLive: settings.cache.ttl }).pipe(Layer.provideMerge(store))
}

/** Everything behind the surfaces. */
export const engineLayer = (settings: Settings, registry: Registry, cores: number) => {
  const metrics = Metrics.layer({ enabled: settings.telemetry.metrics })
  const models = ModelRegistry.layer(registry, {
    cores,
    device: settings.models.device,
    precision: settings.models.precision,
    maxBatchSize: settings.batching.maxBatchSize,
    maxBatchCost: undefined,
    window: settings.batching.window,
    queueCapacity: settings.batching.queueCapacity,
    timeoutMs: Duration.toMillis(settings.limits.requestTimeout)
  }).pipe(
    Layer.provide([
      PluginCatalogue.layer(settings.plugins, process.cwd()),
      ModelHost.layer.pipe(Layer.provide(WorkerPool.layer)),
      Batcher.layer
    ])
  )
  const breaker = CircuitBreaker.layer({
    policy: { type: "consecutive", failures: settings.breaker.failures },
    openDuration: settings.breaker.openDuration
  })
  return Inference.layerLocal.pipe(
    Layer.provideMerge(Layer.mergeAll(models, cacheLayer(settings), breaker)),
    Layer.provideMerge(metrics)
  )
}

/** The surfaces: HTTP in three dialects, RPC in two transports, documents and metrics. */
export const routesLayer = (settings: Settings) => {
  const api = makeSluiceApi(settings.server.apiPrefix as `/${string}`)
  const handlers = HttpApiBuilder.layer(api).pipe(
    Layer.provide([
      predictHandlers(api),
      modelsHandlers(api),
      healthHandlers(api),
      oipHandlers(api),
      openAiHandlers(api)
    ])
  )
  const maxBodySize = ByteSize.fromInputUnsafe(settings.limits.maxBodyBytes)
  return Layer.mergeAll(
    handlers,
    rpcRoutes,
    docsPages(api),
    metricsRoute,
    HttpRouter.middleware(HttpMiddleware.compression(), { global: true }),
    HttpRouter.middleware(HttpMiddleware.decompression({ maxDecompressedSize: maxBodySize }), { global: true }),
    edge(api)
  ).pipe(
    Layer.provideMerge(Lifecycle.layer),
    Layer.provide([
      AccessControl.layer(settings.auth.token),
      Layer.succeed(HttpIncomingMessage.MaxBodySize, maxBodySize)
    ])
  )
}
