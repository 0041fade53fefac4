/**
 * The engine's Layers, put together from the settings: everything behind the surfaces.
 */
import { Batcher } from "@sluice/core/batching/Batcher"
import { defaultCacheStoreBudget } from "@sluice/core/cache/CacheStoreGuard"
import { CacheStoreHealth } from "@sluice/core/cache/CacheStoreHealth"
import { layerMemory } from "@sluice/core/cache/CacheStoreMemory"
import { PredictionCache } from "@sluice/core/cache/PredictionCache"
import * as Redis from "@sluice/core/cache/Redis"
import { layerRedis } from "@sluice/core/cache/RedisCache"
import { ModelHost } from "@sluice/core/execution/ModelHost"
import { StopTimeout } from "@sluice/core/execution/ModelWorker"
import type { SpareWorkers } from "@sluice/core/execution/SpareWorkers"
import { WorkerPool } from "@sluice/core/execution/WorkerPool"
import { Inference } from "@sluice/core/Inference"
import { AuditLog } from "@sluice/core/registry/AuditLog"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import type { Registry } from "@sluice/core/registry/RegistryEntry"
import { standInRegistryHost, standInRolloutHost } from "@sluice/core/registry/StandInHosts"
import { CircuitBreaker } from "@sluice/core/resilience/CircuitBreaker"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { defaultCacheDirectory } from "@sluice/core/tuning/PlanStore"
import { PlanTuner } from "@sluice/core/tuning/PlanTuner"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import { redisEndpoint } from "./config/RedisEndpoint.ts"
import { servingConfig } from "./config/ServingSettings.ts"
import type { Settings } from "./config/Settings.ts"

const cacheLayer = (settings: Settings) => {
  const { cache, redis } = settings
  if (!cache.enabled) return Layer.merge(PredictionCache.layerDisabled, CacheStoreHealth.layerLocal)
  const url = redisEndpoint(redis)
  const store = url === undefined
    ? Layer.merge(layerMemory({ maxBytes: cache.maxBytes }), CacheStoreHealth.layerLocal)
    : Layer.provideMerge(layerRedis({ ...defaultCacheStoreBudget, operation: cache.timeBudget }), Redis.layer({ url }))
  return PredictionCache.layer({ timeToLive: cache.ttl }).pipe(Layer.provideMerge(store))
}

/** How long a worker that still computes is waited for at the end, whatever the settings allow. */
const longestStop = Duration.seconds(10)

/** Where models run, and how they are laid out over the cores. */
export const executionLayer = ({ execution }: Settings, cores: number, spares: SpareWorkers) =>
  PlanTuner.layer({ cores, directory: execution.cacheDirectory ?? defaultCacheDirectory(process.env) }).pipe(
    Layer.provideMerge(ModelHost.layer),
    Layer.provide(WorkerPool.layer(spares))
  )

/** Everything behind the surfaces. */
export const engineLayer = (settings: Settings, registry: Registry, cores: number, spares: SpareWorkers) => {
  const metrics = Metrics.layer({ enabled: settings.telemetry.metrics })
  const models = ModelRegistry.layer(registry, servingConfig(settings, cores)).pipe(
    Layer.provide([
      PluginCatalogue.layer(settings.plugins, process.cwd()),
      executionLayer(settings, cores, spares),
      Batcher.layer,
      Layer.succeed(StopTimeout, Duration.min(settings.shutdown.timeout, longestStop))
    ])
  )
  const breaker = CircuitBreaker.layer({
    policy: { type: "consecutive", failures: settings.breaker.failures },
    openDuration: settings.breaker.openDuration
  })
  return Inference.layerLocal.pipe(
    Layer.provideMerge(Layer.mergeAll(models, cacheLayer(settings), breaker)),
    Layer.provideMerge(Layer.merge(standInRegistryHost(registry), standInRolloutHost(registry))),
    Layer.provideMerge(AuditLog.layer(settings.telemetry.auditLog)),
    Layer.provideMerge(metrics)
  )
}
