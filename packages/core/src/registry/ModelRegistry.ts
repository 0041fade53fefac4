/**
 * The model versions that this process serves: loads them in the background, and hands out those that are ready.
 */
import { type ModelNotFound, ModelNotReady, type VersionNotFound, type VersionRetired } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { Lane, ModelInfo, VersionState } from "@sluice/domain/ModelInfo"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Codec } from "@sluice/plugin-sdk/Plugin"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { Batcher } from "../batching/Batcher.ts"
import type { BatchQueue } from "../batching/BatchQueue.ts"
import { type CacheNamespace, namespaceOf } from "../cache/CacheKey.ts"
import { withInlineLane } from "../execution/InlineLane.ts"
import { type Health, ModelHost } from "../execution/ModelHost.ts"
import { withSoloInstance } from "../execution/SoloInstance.ts"
import type { ThreadPlan } from "../execution/ThreadPlan.ts"
import { Metrics, type VersionMetrics } from "../telemetry/Metrics.ts"
import { PlanTuner } from "../tuning/PlanTuner.ts"
import { fileDigest } from "./FileDigest.ts"
import { PluginCatalogue } from "./PluginCatalogue.ts"
import type { Registry, VersionEntry } from "./RegistryEntry.ts"
import { chooseModel, route, trafficPercent } from "./Rollout.ts"
import { signatureCodec } from "./SignatureCodec.ts"
import { type EntryRefused, planVersion, type ServingConfig, type VersionPlan } from "./VersionPlan.ts"

/** A version that is ready to answer. */
export interface ServedVersion {
  readonly plan: VersionPlan
  readonly signature: ModelSignature
  readonly codec: Codec
  readonly queue: BatchQueue
  readonly metrics: VersionMetrics
  /** Where its batches run now. */
  readonly lane: () => Lane
  /** What its cached answers are kept under. */
  readonly cacheNamespace: CacheNamespace
}

/** One version, whatever its state. */
export interface VersionInfo extends ModelInfo {
  /** Why its plugin was chosen. */
  readonly plugin_reason: string
  /** Why it failed, for operators. */
  readonly failure?: string
}

interface Slot {
  readonly plan: VersionPlan
  readonly settled: Deferred.Deferred<void>
  state: VersionState
  served: ServedVersion | undefined
  failure: string | undefined
}

/** Opens a version for as long as the scope: its instances, its codec, its queue. */
const openVersion = Effect.fnUntraced(function*(
  planned: VersionPlan,
  quiet: Effect.Effect<void>,
  metrics: VersionMetrics,
  onHealth: (health: Health) => Effect.Effect<void>
) {
  const plan = yield* (yield* PlanTuner).settle(planned, quiet)
  const host = yield* ModelHost
  const batcher = yield* Batcher
  const { plugin } = plan.plugin
  const { model, options, version } = plan.entry
  const [hosted, revision] = yield* Effect.all(
    [
      host.open(plan.spec, plan.threads, { runTimeoutMs: plan.runTimeoutMs, measure: true, onHealth }),
      fileDigest(plan.spec.path)
    ],
    { concurrency: "unbounded" }
  )
  const { signature } = hosted
  const soloSpec = plan.soloThreads > plan.threads.threads ? { ...plan.spec, threads: plan.soloThreads } : undefined
  const soloed = soloSpec === undefined ? hosted : yield* withSoloInstance(hosted, {
    model,
    version,
    quiet,
    open: host.open(soloSpec, soloPlan(plan), { runTimeoutMs: plan.runTimeoutMs, measure: false })
  })
  const laned = yield* withInlineLane(soloed, {
    model,
    version,
    boundMs: plan.inlineBoundMs,
    quiet,
    load: Effect.suspend(() => plugin.load(plan.context, plan.options)),
    onLane: (isInline) => metrics.inline(isInline)
  })
  const codec = plugin.codec === undefined
    ? signatureCodec(signature)
    : yield* plugin.codec(plan.context, plan.options, signature)
  const queue = yield* batcher.open(laned, {
    model,
    version,
    maxBatchSize: signature.batchable ? plan.maxBatchSize : 1,
    // A window is set for fuller batches, so it is not closed by smaller ones.
    fixedBatchSize: plan.fixed.maxBatchSize !== undefined || plan.windowMs > 0,
    maxBatchCost: plan.maxBatchCost,
    maxPaddedWaste: plan.maxPaddedWaste,
    latencyTargetMs: plan.latencyTargetMs ?? Infinity,
    windowMs: plan.windowMs,
    queueCapacity: plan.queueCapacity,
    padding: codec.padding ?? {},
    metrics
  })
  const { precision } = plan.spec
  const cacheNamespace = namespaceOf({ model, version, precision, plugin: plugin.name, options, revision })
  const lane = (): Lane => laned.instances()[0]?.inline === true ? "inline" : "worker"
  return { plan, signature, codec, queue, metrics, lane, cacheNamespace } satisfies ServedVersion
})

/** One instance on so many threads, where the last of the others is: they are given batches in their order. */
const soloPlan = ({ soloThreads, threads: { instances, shareWorker } }: VersionPlan): ThreadPlan => ({
  instances: 1,
  threads: soloThreads,
  isolation: "thread",
  shareWorker,
  firstSlot: instances - 1
})

/** Why no version answers. */
export type NotServed = ModelNotFound | VersionNotFound | VersionRetired | ModelNotReady

/** How long callers are told to wait for a version that is still loading, in milliseconds. */
const loadingRetryMs = 1000
const failedRetryMs = 30_000

export class ModelRegistry extends Context.Service<ModelRegistry, {
  readonly defaultModel: string
  /** The version that answers: the one named, else the one the rollout chooses. */
  readonly choose: (model: string | undefined, version: string | undefined) => Result.Result<ServedVersion, NotServed>
  /** The same as an Effect. */
  readonly get: (model: string | undefined, version: string | undefined) => Effect.Effect<ServedVersion, NotServed>
  /** All versions but the retired, in the order of the registry. */
  readonly list: Effect.Effect<ReadonlyArray<VersionInfo>>
  /** The registry's versions of a model, its default first. */
  readonly versions: (model: string) => Effect.Effect<ReadonlyArray<string>, ModelNotFound>
  /** The model and version of a file that the registry lists, by its path as written there. */
  readonly byPath: (path: string) => { readonly model: string; readonly version: string } | undefined
  /** Waits until every version is ready or failed. */
  readonly settled: Effect.Effect<void>
  /** What an operator should know of the registry, a sentence each. */
  readonly notices: ReadonlyArray<string>
}>()("sluice/core/ModelRegistry") {
  /** Fails if an entry names a plugin that is missing, or options that its plugin refuses. */
  static readonly layer = (registry: Registry, config: ServingConfig) =>
    Layer.effect(
      ModelRegistry,
      Effect.gen(function*() {
        const catalogue = yield* PluginCatalogue
        const metrics = yield* Metrics
        const scope = yield* Effect.scope
        const versions = yield* Scope.fork(scope, "parallel")

        const entries = registry.models.flatMap((model) => {
          const served = model.versions.filter((version) => version.status !== "retired")
          const isDefault = (entry: VersionEntry) => entry.version === model.defaultVersion
          return [...served.filter(isDefault), ...served.filter((entry) => !isDefault(entry))]
        })
        const slots = new Map<string, Slot>()
        for (const entry of entries) {
          const plan = yield* planVersion(entry, config, catalogue)
          slots.set(modelId(entry.model, entry.version), {
            plan,
            settled: yield* Deferred.make<void>(),
            state: "unloaded",
            served: undefined,
            failure: undefined
          })
        }

        /** When every version has loaded that loads without being measured: then the machine is quiet enough to measure. */
        const quiet = Effect.forEach(
          [...slots.values()].filter(({ plan }) => plan.entry.optimizeFor === "auto"),
          (slot) => Deferred.await(slot.settled),
          { discard: true }
        )

        /** A version whose instances end again and again answers no more until one of them lives. */
        const onHealth = (slot: Slot, recorder: VersionMetrics) => (health: Health) =>
          Effect.suspend(() => {
            const name = modelId(slot.plan.entry.model, slot.plan.entry.version)
            const failing = health._tag === "Failing"
            slot.failure = failing ? health.reason : undefined
            if (slot.served !== undefined) {
              slot.state = failing ? "failed" : "ready"
              recorder.loaded(!failing)
            }
            return failing
              ? Effect.logError(`${name} has failed: ${health.reason}. It is tried again in the background`)
              : Effect.logInfo(`${name} is ready again`)
          })

        const start = Effect.fnUntraced(
          function*(slot: Slot) {
            const { model, version } = slot.plan.entry
            slot.state = "loading"
            // A scope of its own: a version that fails half open leaves nothing behind.
            const own = yield* Scope.fork(versions)
            const recorder = metrics.registerVersion(model, version)
            const opened = yield* openVersion(slot.plan, quiet, recorder, onHealth(slot, recorder)).pipe(
              Scope.provide(own),
              Effect.exit
            )
            if (Exit.isSuccess(opened)) {
              slot.served = opened.value
              slot.state = slot.failure === undefined ? "ready" : "failed"
              return recorder.loaded(slot.state === "ready")
            }
            const error = Cause.squash(opened.cause)
            slot.failure = error instanceof Error ? error.message : String(error)
            slot.state = "failed"
            yield* Effect.logError(`${modelId(model, version)} could not be loaded: ${slot.failure}`)
            yield* Scope.close(own, opened)
          },
          (started, slot) => Effect.ensuring(started, Deferred.succeed(slot.settled, undefined))
        )
        // Default versions come first in each model, so a slow candidate never holds up what routes.
        yield* Effect.forkIn(
          Effect.forEach(slots.values(), start, { concurrency: "unbounded", discard: true }),
          scope
        )

        const slotOf = new Map(Array.from(slots.values(), (slot) => [slot.plan.entry, slot]))
        const choose = (
          model: string | undefined,
          version: string | undefined
        ): Result.Result<ServedVersion, NotServed> => {
          const routed = route(registry, model, version)
          if (Result.isFailure(routed)) return Result.fail(routed.failure)
          const entry = routed.success
          const slot = slotOf.get(entry)
          if (slot?.served !== undefined && slot.state === "ready") return Result.succeed(slot.served)
          const state = slot?.state ?? "unloaded"
          return Result.fail(
            new ModelNotReady({
              model: entry.model,
              version: entry.version,
              state,
              retryAfterMs: state === "failed" ? failedRetryMs : loadingRetryMs
            })
          )
        }

        const info = ({ failure, plan, served, state }: Slot): VersionInfo => {
          const { description, model: name, status, version } = plan.entry
          const model = registry.models.find((model) => model.name === name)
          return {
            name,
            version,
            model_id: modelId(name, version),
            status,
            state,
            default: model?.defaultVersion === version,
            traffic_percent: model === undefined ? 0 : trafficPercent(model, version),
            description: description === "" ? model?.description ?? "" : description,
            precision: plan.spec.precision,
            device: plan.spec.device,
            plugin: plan.plugin.plugin.name,
            plugin_reason: plan.plugin.reason,
            ...(served === undefined || state !== "ready" ? {} : { lane: served.lane() }),
            ...(failure === undefined ? {} : { failure })
          }
        }

        const written = (path: string) => (entry: VersionEntry) =>
          entry.file.written === path || [...entry.variants.values()].some((file) => file.written === path)

        return ModelRegistry.of({
          defaultModel: registry.defaultModel,
          choose,
          get: (model, version) => Effect.suspend(() => Effect.fromResult(choose(model, version))),
          list: Effect.sync(() => [...slots.values()].map(info)),
          versions: (name) =>
            Effect.map(Effect.fromResult(chooseModel(registry, name)), (model) =>
              entries.filter((entry) => entry.model === model.name).map((entry) => entry.version)),
          byPath: (path) => {
            const entry = entries.find(written(path))
            return entry === undefined ? undefined : { model: entry.model, version: entry.version }
          },
          settled: Effect.forEach(slots.values(), (slot) =>
            Deferred.await(slot.settled), { discard: true }),
          notices: [...registry.notices, ...[...slots.values()].flatMap((slot) => slot.plan.notices)]
        })
      })
    ) satisfies Layer.Layer<ModelRegistry, EntryRefused, PluginCatalogue | ModelHost | PlanTuner | Batcher | Metrics>
}
