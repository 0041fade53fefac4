/**
 * The engine's Layers, put together from the settings: everything behind the surfaces.
 */
import { Batcher } from "@sluice/core/batching/Batcher"
import { defaultCacheStoreBudget } from "@sluice/core/cache/CacheStoreGuard"
import { CacheStoreHealth } from "@sluice/core/cache/CacheStoreHealth"
import { layerMemory } from "@sluice/core/cache/CacheStoreMemory"
import { layerTiered } from "@sluice/core/cache/CacheStoreTiered"
import { PredictionCache } from "@sluice/core/cache/PredictionCache"
import * as Redis from "@sluice/core/cache/Redis"
import { layerRedis } from "@sluice/core/cache/RedisCache"
import { ModelHost } from "@sluice/core/execution/ModelHost"
import { StopTimeout } from "@sluice/core/execution/ModelWorker"
import type { SpareWorkers } from "@sluice/core/execution/SpareWorkers"
import { WorkerPool } from "@sluice/core/execution/WorkerPool"
import { Inference } from "@sluice/core/Inference"
import { RateLimits } from "@sluice/core/limits/RateLimits"
import * as RateLimitStoreMemory from "@sluice/core/limits/RateLimitStoreMemory"
import * as RateLimitStoreRedis from "@sluice/core/limits/RateLimitStoreRedis"
import { AuditLog } from "@sluice/core/registry/AuditLog"
import { ModelRegistry, registryHost } from "@sluice/core/registry/ModelRegistry"
import { PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import { servedEntries } from "@sluice/core/registry/RegistryDiff"
import type { Registry } from "@sluice/core/registry/RegistryEntry"
import { planVersion } from "@sluice/core/registry/VersionPlan"
import { CircuitBreaker } from "@sluice/core/resilience/CircuitBreaker"
import { CircuitSharing } from "@sluice/core/resilience/CircuitSharing"
import * as CircuitSharingRedis from "@sluice/core/resilience/CircuitSharingRedis"
import { rolloutAudit } from "@sluice/core/rollout/RolloutAudit"
import { rolloutMetrics } from "@sluice/core/rollout/RolloutMetrics"
import { Rollouts } from "@sluice/core/rollout/Rollouts"
import * as RolloutStoreFile from "@sluice/core/rollout/RolloutStoreFile"
import * as RolloutStoreRedis from "@sluice/core/rollout/RolloutStoreRedis"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { defaultCacheDirectory } from "@sluice/core/tuning/PlanStore"
import { PlanTuner } from "@sluice/core/tuning/PlanTuner"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { redisEndpoint } from "./config/RedisEndpoint.ts"
import { readRedisTls } from "./config/RedisTls.ts"
import { cacheLimits, rateLimitsOptions, servingConfig } from "./config/ServingSettings.ts"
import type { Settings } from "./config/Settings.ts"
import { defaultStateDirectory, rolloutDirectory } from "./config/StateDirectory.ts"

/** The one connection, for all that is kept in Redis; undefined where none is configured. */
const redisLayer = ({ redis }: Settings) => {
  const url = redisEndpoint(redis)
  if (url === undefined) return undefined
  return Layer.unwrap(Effect.map(readRedisTls(redis), (tls) => Redis.layer({ url, tls })))
}
type RedisLayer = ReturnType<typeof redisLayer>

const cacheLayer = ({ cache }: Settings, redis: RedisLayer) => {
  if (!cache.enabled) return Layer.merge(PredictionCache.layerDisabled, CacheStoreHealth.layerLocal)
  const memory = { maxBytes: cache.maxBytes }
  const store = redis === undefined
    ? Layer.merge(layerMemory(memory), CacheStoreHealth.layerLocal)
    : layerTiered(memory).pipe(
      Layer.provide(layerRedis({ ...defaultCacheStoreBudget, operation: cache.timeBudget })),
      Layer.provideMerge(redis)
    )
  return PredictionCache.layer({ timeToLive: cache.ttl }).pipe(Layer.provideMerge(store))
}

/** Where rollouts stand is known to all processes: in Redis, else in files that those of one machine and registry share. */
const rolloutsLayer = ({ models, state }: Settings, redis: RedisLayer) => {
  const directory = rolloutDirectory(state.directory ?? defaultStateDirectory(process.env), models.registry)
  const store = redis === undefined
    ? RolloutStoreFile.layerFile(directory)
    : Layer.provide(RolloutStoreRedis.layerRedis, redis)
  return Layer.provide(Rollouts.layer, store)
}

/** How long Redis is not asked for limits after it failed. */
const limitsRest = Duration.seconds(1)

/** What limits have left is known to all processes that share a Redis, else to each for itself. */
const limitsLayer = (settings: Settings, redis: RedisLayer) => {
  const budget = { operation: settings.rateLimits.timeBudget, rest: limitsRest }
  const store = redis === undefined
    ? RateLimitStoreMemory.layerMemory
    : Layer.provide(RateLimitStoreRedis.layerRedis(budget), redis)
  return Layer.provide(RateLimits.layer(rateLimitsOptions(settings)), store)
}

/** How long a worker that still computes is waited for at the end, whatever the settings allow. */
const longestStop = Duration.seconds(10)

/** Where models run, and how they are laid out over the cores. */
export const executionLayer = ({ execution }: Settings, cores: number, spares: SpareWorkers) =>
  PlanTuner.layer({ cores, directory: execution.cacheDirectory ?? defaultCacheDirectory(process.env) }).pipe(
    Layer.provideMerge(ModelHost.layer),
    Layer.provide(WorkerPool.layer(spares))
  )

const catalogueLayer = ({ plugins }: Settings) => PluginCatalogue.layer(plugins, process.cwd())

/** Whether the plugins take every version of a registry. Where a plugin itself cannot be used, the engine's start says so. */
export const planRegistry = (settings: Settings, cores: number) => (registry: Registry) =>
  Effect.gen(function*() {
    const catalogue = yield* PluginCatalogue
    const config = servingConfig(settings, cores)
    const entries = registry.models.flatMap(servedEntries)
    yield* Effect.forEach(entries, (entry) => planVersion(entry, config, catalogue), { discard: true })
  }).pipe(Effect.provide(catalogueLayer(settings)), Effect.catchTag("PluginRefused", () => Effect.void))

/** Everything behind the surfaces. */
export const engineLayer = (settings: Settings, registry: Registry, cores: number, spares: SpareWorkers) => {
  const redis = redisLayer(settings)
  const metrics = Metrics.layer({ enabled: settings.telemetry.metrics })
  const models = ModelRegistry.layer(registry, { ...servingConfig(settings, cores), memory: cacheLimits(settings) })
    .pipe(
      Layer.provide([
        catalogueLayer(settings),
        executionLayer(settings, cores, spares),
        Batcher.layer,
        Layer.succeed(StopTimeout, Duration.min(settings.shutdown.timeout, longestStop))
      ])
    )
  const circuitSharing = redis === undefined
    ? CircuitSharing.layerNone
    : Layer.provide(CircuitSharingRedis.layerRedis, redis)
  const breaker = Layer.provide(CircuitBreaker.layer(settings.breaker), circuitSharing)
  return Layer.mergeAll(Inference.layerLocal, rolloutAudit, rolloutMetrics).pipe(
    Layer.provideMerge(registryHost),
    Layer.provideMerge(Layer.mergeAll(models, cacheLayer(settings, redis), breaker, limitsLayer(settings, redis))),
    Layer.provideMerge(rolloutsLayer(settings, redis)),
    Layer.provideMerge(AuditLog.layer(settings.telemetry.auditLog)),
    Layer.provideMerge(metrics)
  )
}
