/**
 * The model versions that this process serves: which one answers a request, which are in memory, and how a new registry
 * takes the place of the one that is served without a request noticing.
 */
import { ModelNotFound, type VersionNotFound, type VersionRetired } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { ModelCacheStats } from "@sluice/domain/ModelCacheStats"
import type { ModelInfo } from "@sluice/domain/ModelInfo"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { Batcher } from "../batching/Batcher.ts"
import type { ModelHost } from "../execution/ModelHost.ts"
import type { Limits } from "../limits/Limits.ts"
import { assignVersion, trafficPercent } from "../rollout/Assignment.ts"
import { Rollouts } from "../rollout/Rollouts.ts"
import type { Metrics } from "../telemetry/Metrics.ts"
import type { PlanTuner } from "../tuning/PlanTuner.ts"
import { type ModelRoute, type NotServedVersion, servedBy } from "./ModelRoute.ts"
import type { PluginCatalogue } from "./PluginCatalogue.ts"
import type { RegistryChange } from "./RegistryChange.ts"
import { makeRegistryChanges } from "./RegistryChanges.ts"
import { servedEntries } from "./RegistryDiff.ts"
import type { ModelEntry, Registry } from "./RegistryEntry.ts"
import { RegistryHost } from "./RegistryHost.ts"
import { hasFailedDefault, hasLoadedDefault, problemsOf } from "./RouteProblems.ts"
import type { ServedVersion } from "./ServedVersion.ts"
import type { CacheLimits } from "./VersionEviction.ts"
import { makeVersionMemory } from "./VersionMemory.ts"
import type { EntryRefused, ServingConfig } from "./VersionPlan.ts"
import type { VersionSlot } from "./VersionSlot.ts"

/** One version, whatever its state. */
export interface VersionInfo extends ModelInfo {
  /** Why its plugin was chosen. */
  readonly plugin_reason: string
  /** Why it failed, for operators. */
  readonly failure?: string
  /** It failed for a caller who waited, and is loaded again for the next: so it needs to be asked. */
  readonly retried?: boolean
}

/** The registry has nothing of that name to serve. */
export type UnknownVersion = ModelNotFound | VersionNotFound | VersionRetired

/** Why no version answers. */
export type NotServed = ModelNotFound | NotServedVersion

export interface RegistryOptions extends ServingConfig {
  /** What stays in memory; everything when left out. */
  readonly memory?: CacheLimits
}

const unlimited: CacheLimits = { versions: Infinity, bytes: Infinity }

export class ModelRegistry extends Context.Service<ModelRegistry, {
  /**
   * The version that answers: the one named, else the one that the rollout gives to the routing key. A target that cannot
   * answer leaves its callers to the default.
   */
  readonly choose: (
    model: string | undefined,
    version: string | undefined,
    routingKey: string
  ) => Result.Result<ServedVersion, NotServed>
  /**
   * For a request that `choose` refused: waits for the version that was put away to be loaded again; undefined where there
   * is nothing to wait for.
   */
  readonly demand: (
    model: string | undefined,
    version: string | undefined,
    routingKey: string
  ) => Effect.Effect<ServedVersion, NotServed> | undefined
  /** The version named or the default, loaded if it was put away. */
  readonly get: (model: string | undefined, version: string | undefined) => Effect.Effect<ServedVersion, NotServed>
  /** The version of the model, or its default, if it answers now: for copies that nobody waits for. */
  readonly served: (model: string, version: string | undefined) => ServedVersion | undefined
  /** What requests to a model go by; undefined where there is none of that name. */
  readonly entry: (model: string) => ModelEntry | undefined
  /** The model of requests that name none. */
  readonly defaultModel: () => string
  /** The limits on all calls of a model, as the registry has them now. */
  readonly limits: (model: string) => Limits | undefined
  /** All versions but the retired, in the order of the registry. */
  readonly list: Effect.Effect<ReadonlyArray<VersionInfo>>
  /** The registry's versions of a model, its default first. */
  readonly versions: (model: string) => Effect.Effect<ReadonlyArray<string>, ModelNotFound>
  /** The model and version of a file that the registry lists, by its path as written there. */
  readonly byPath: (path: string) => { readonly model: string; readonly version: string } | undefined
  /** Waits until every version is ready or failed, and every change is done. */
  readonly settled: Effect.Effect<void>
  /** What an operator should know of the registry, a sentence each. */
  readonly notices: () => ReadonlyArray<string>
  /**
   * Takes a checked registry. New versions load in the background, traffic moves when they are ready, former ones get their
   * callers answered and are put away. Fails before anything was changed.
   */
  readonly apply: (registry: Registry) => Effect.Effect<RegistryChange, EntryRefused>
  /** Loads a version, or all of a model, and waits until they are ready. */
  readonly load: (model: string, version: string | undefined) => Effect.Effect<void, NotServed>
  /** Puts a version, or all of a model, away until `load`. */
  readonly unload: (model: string, version: string | undefined) => Effect.Effect<void, UnknownVersion>
  /** What `apply` would change. Changes nothing. */
  readonly preview: (registry: Registry) => Effect.Effect<RegistryChange, EntryRefused>
  /** What of the registry is not served as it says, for it did not load: a sentence each. */
  readonly problems: Effect.Effect<ReadonlyArray<string>>
  /** Models whose default version, as the registry has it, did not load. */
  readonly failedDefaults: Effect.Effect<ReadonlyArray<string>>
  /** Those, and models whose default version was not loaded since it is as it is now. */
  readonly unprovenDefaults: Effect.Effect<ReadonlyArray<string>>
  readonly stats: Effect.Effect<ModelCacheStats>
  /** Puts every idle version away that is not pinned in memory, and says how many. They are loaded again on demand. */
  readonly clear: Effect.Effect<number>
}>()("sluice/core/ModelRegistry") {
  /** Fails if an entry names a plugin that is missing, or options that its plugin refuses. */
  static readonly layer = (registry: Registry, options: RegistryOptions) =>
    Layer.effect(ModelRegistry, make(registry, options)) satisfies Layer.Layer<
      ModelRegistry,
      EntryRefused,
      PluginCatalogue | ModelHost | PlanTuner | Batcher | Metrics | Rollouts
    >
}

const make = Effect.fnUntraced(function*(registry: Registry, options: RegistryOptions) {
  const rollouts = yield* Rollouts
  const memory = yield* makeVersionMemory(options.memory ?? unlimited)
  const changes = yield* makeRegistryChanges(registry, options, memory)
  const { routes } = changes

  const routeOf = (name: string | undefined): Result.Result<ModelRoute, ModelNotFound> => {
    const wanted = name ?? changes.registry().defaultModel
    const route = routes.get(wanted)
    return route === undefined ? Result.fail(new ModelNotFound({ model: wanted })) : Result.succeed(route)
  }

  const answers = (slot: VersionSlot): boolean => slot.state() === "ready" || memory.comesBack(slot)

  /** The slot that the rollout chooses, in memory or put away, or the default's where that one cannot answer. */
  const routed = (route: ModelRoute, key: string): Result.Result<VersionSlot, NotServedVersion> => {
    const { defaultVersion, name } = route.entry
    const routing = rollouts.routing(name)
    if (routing !== undefined) {
      const version = assignVersion(name, defaultVersion, routing, key)
      const slot = route.slots.get(version)
      const isTaken = version !== defaultVersion && slot !== undefined && !route.arriving.has(slot) && answers(slot)
      if (isTaken) return Result.succeed(slot)
    }
    return route.slot(defaultVersion)
  }

  const find = (model: string | undefined, version: string | undefined, key: string) =>
    Result.flatMap(
      routeOf(model),
      (route): Result.Result<VersionSlot, NotServed> => version === undefined ? routed(route, key) : route.slot(version)
    )

  const choose = (model: string | undefined, version: string | undefined, key: string) => {
    const slot = find(model, version, key)
    return Result.isFailure(slot) ? Result.fail(slot.failure) : memory.take(slot.success)
  }

  const defaultSlot = (model: string | undefined) => {
    const route = Result.getOrUndefined(routeOf(model))
    return route?.slots.get(route.entry.defaultVersion)
  }

  const takeOrDemand = (slot: VersionSlot): Effect.Effect<ServedVersion, NotServed> | undefined => {
    const taken = memory.take(slot)
    return Result.isSuccess(taken) ? Effect.succeed(taken.success) : memory.demand(slot)
  }

  /** A target that then does not load leaves those who waited to the default, as one does that cannot answer. */
  const demand = (model: string | undefined, version: string | undefined, key: string) => {
    const slot = find(model, version, key)
    if (Result.isFailure(slot)) return undefined
    const demanded = memory.demand(slot.success)
    const ofDefault = version === undefined ? defaultSlot(model) : slot.success
    if (demanded === undefined || ofDefault === undefined || slot.success === ofDefault) return demanded
    return Effect.catch(demanded, (error) => takeOrDemand(ofDefault) ?? Effect.fail(error))
  }

  const get = (model: string | undefined, version: string | undefined) =>
    Effect.suspend((): Effect.Effect<ServedVersion, NotServed> => {
      const chosen = choose(model, version, "")
      return Result.isSuccess(chosen)
        ? Effect.succeed(chosen.success)
        : demand(model, version, "") ?? Effect.fail(chosen.failure)
    })

  const slotsOf = (model: string, version: string | undefined) =>
    Effect.fromResult(Result.flatMap(
      routeOf(model),
      (route): Result.Result<ReadonlyArray<VersionSlot>, UnknownVersion> =>
        version === undefined
          ? Result.succeed([...route.slots.values()])
          : Result.map(route.slot(version), (slot) => [slot])
    ))

  const info = (route: ModelRoute, slot: VersionSlot): VersionInfo => {
    const { model: name, version } = slot.plan.entry
    const { description, status } = route.said(version) ?? slot.plan.entry
    const { defaultVersion, description: modelDescription } = route.entry
    const failure = slot.failure() ?? route.refused.get(version)
    const served = slot.served()
    const state = slot.state()
    return {
      name,
      version,
      model_id: modelId(name, version),
      status,
      state,
      default: defaultVersion === version,
      traffic_percent: trafficPercent(defaultVersion, rollouts.routing(name) ?? { type: "pinned" }, version),
      description: description === "" ? modelDescription : description,
      precision: slot.plan.spec.precision,
      device: slot.plan.spec.device,
      plugin: slot.plan.plugin.plugin.name,
      plugin_reason: slot.plan.plugin.reason,
      ...(served === undefined || state !== "ready" ? {} : { lane: served.lane() }),
      ...(failure === undefined ? {} : { failure }),
      ...(memory.isRetried(slot) ? { retried: true } : {})
    }
  }

  /** Each model's default first. */
  const slotsInOrder = (route: ModelRoute): ReadonlyArray<VersionSlot> => {
    const first = route.slots.get(route.entry.defaultVersion)
    const others = [...route.slots.values()].filter((slot) => slot !== first)
    return first === undefined ? others : [first, ...others]
  }

  const byPath = (path: string) => {
    for (const model of changes.registry().models) {
      for (const { file, variants, version } of servedEntries(model)) {
        const isThis = file.written === path || [...variants.values()].some((variant) => variant.written === path)
        if (isThis) return { model: model.name, version }
      }
    }
    return undefined
  }

  const infos = () => [...routes.values()].flatMap((route) => slotsInOrder(route).map((slot) => info(route, slot)))
  const slots = () => [...routes.values()].flatMap((route) => [...route.slots.values()])

  return ModelRegistry.of({
    choose,
    demand,
    get,
    served: (model, version) => {
      const route = routes.get(model)
      const slot = route?.slots.get(version ?? route.entry.defaultVersion)
      return slot === undefined ? undefined : Result.getOrUndefined(servedBy(slot))
    },
    list: Effect.sync(infos),
    versions: (name) =>
      Effect.map(
        Effect.fromResult(routeOf(name)),
        (route) => slotsInOrder(route).map((slot) => slot.plan.entry.version)
      ),
    entry: (model) => routes.get(model)?.entry,
    defaultModel: () => changes.registry().defaultModel,
    limits: (model) => routes.get(model)?.wanted.limits,
    byPath,
    settled: changes.settled,
    notices: () => [...changes.registry().notices, ...slots().flatMap((slot) => slot.plan.notices)],
    apply: changes.apply,
    preview: changes.preview,
    load: Effect.fnUntraced(function*(model, version) {
      yield* Effect.forEach(
        yield* slotsOf(model, version),
        (slot) => Effect.flatMap(memory.load(slot), () => Effect.fromResult(servedBy(slot))),
        { discard: true }
      )
    }),
    unload: Effect.fnUntraced(function*(model, version) {
      yield* Effect.forEach(yield* slotsOf(model, version), memory.stop, { concurrency: "unbounded", discard: true })
    }),
    problems: Effect.sync(() => [...routes.values()].flatMap(problemsOf)),
    failedDefaults: Effect.sync(() => [...routes.values()].filter(hasFailedDefault).map(({ wanted }) => wanted.name)),
    unprovenDefaults: Effect.sync(() =>
      [...routes.values()].filter((route) => hasFailedDefault(route) || !hasLoadedDefault(route))
        .map(({ wanted }) => wanted.name)
    ),
    stats: Effect.sync(() => memory.stats(slots())),
    clear: Effect.suspend(() => memory.clear(slots()))
  })
})

/** The registry as those see it who change what is served. */
export const registryHost = Layer.effect(RegistryHost, ModelRegistry)
