/**
 * The engine as a server has it, in this process, over the plugins of the fixtures.
 */
import { Batcher } from "@sluice/core/batching/Batcher"
import type { CacheStore } from "@sluice/core/cache/CacheStore"
import { layerMemory } from "@sluice/core/cache/CacheStoreMemory"
import { PredictionCache } from "@sluice/core/cache/PredictionCache"
import { ModelHost } from "@sluice/core/execution/ModelHost"
import { WorkerPool } from "@sluice/core/execution/WorkerPool"
import { Inference } from "@sluice/core/Inference"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import type { ModelEntry, Registry } from "@sluice/core/registry/RegistryEntry"
import type { CacheLimits } from "@sluice/core/registry/VersionEviction"
import { defaultBreakerRules } from "@sluice/core/resilience/BreakerRules"
import { CircuitBreaker } from "@sluice/core/resilience/CircuitBreaker"
import { CircuitSharing } from "@sluice/core/resilience/CircuitSharing"
import { Rollouts } from "@sluice/core/rollout/Rollouts"
import { layerMemory as rolloutsInMemory } from "@sluice/core/rollout/RolloutStoreMemory"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { PlanTuner } from "@sluice/core/tuning/PlanTuner"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { join } from "node:path"
import { registryOf } from "./registry/Registries.ts"

const fixtures = join(import.meta.dirname, "fixtures")

/** What tells entries apart is their text, which what a model counts in its cells is no part of. */
const named = (cells: Int32Array): Int32Array => Object.assign(cells, { toJSON: () => "cells" })

/** The model, whose instances share these cells with the test. */
export const sharing = (model: ModelEntry, cells: Int32Array): ModelEntry => ({
  ...model,
  versions: model.versions.map((version) => ({ ...version, options: { ...version.options, cells: named(cells) } }))
})

/** Models of the fixtures' plugins; all of them share these cells with the test. */
export const registryWith = (models: object, cells: Int32Array): Registry => {
  const registry = registryOf(models, join(fixtures, "registry.yaml"))
  return { ...registry, models: registry.models.map((model) => sharing(model, cells)) }
}

/** A version served by the plugin that does as its numbers say. */
export const scripted = { path: "ScriptedPlugin.ts", plugin: "scripted" }
/** A version that counts letters. */
export const letters = { path: "LettersPlugin.ts", plugin: "letters" }

/** Lets what is outside of this fiber happen: threads' messages, and what they set going. */
export const turn = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))

/** Ready when every version has settled, but for those that wait for the gate. */
const settled = Effect.gen(function*() {
  const registry = yield* ModelRegistry
  while (true) {
    const versions = yield* registry.list
    if (versions.every(({ name, state }) => ["ready", "failed", "unloaded"].includes(state) || name === "waiting")) {
      return
    }
    yield* turn
  }
})

export const engineLayer = (
  registry: Registry,
  memory?: CacheLimits,
  store: Layer.Layer<CacheStore, never, Metrics> = layerMemory({ maxBytes: 1_000_000 })
) => {
  const rollouts = Rollouts.layer.pipe(Layer.provide(rolloutsInMemory))
  const models = ModelRegistry.layer(registry, {
    cores: 2,
    inlineBoundMs: 0,
    device: "cpu",
    precision: undefined,
    maxBatchSize: undefined,
    maxBatchCost: undefined,
    window: Duration.zero,
    queueCapacity: 1000,
    timeoutMs: 60_000,
    runTimeout: Duration.seconds(30),
    ...(memory === undefined ? {} : { memory })
  }).pipe(Layer.provide([
    PluginCatalogue.layer(["./ScriptedPlugin.ts", "./LettersPlugin.ts"], fixtures),
    ModelHost.layer.pipe(Layer.provide(WorkerPool.layer())),
    PlanTuner.layerNone,

    Batcher.layer
  ]))
  const cache = PredictionCache.layer({ timeToLive: "1 hour" }).pipe(Layer.provide(store))
  const breaker = Layer.provide(CircuitBreaker.layer(defaultBreakerRules), CircuitSharing.layerNone)
  const engine = Inference.layerLocal.pipe(
    Layer.provideMerge(Layer.mergeAll(models, cache, breaker)),
    Layer.provideMerge(rollouts),
    Layer.provideMerge(Metrics.layer({ enabled: true }))
  )
  return Layer.effectDiscard(settled).pipe(Layer.provideMerge(engine))
}
