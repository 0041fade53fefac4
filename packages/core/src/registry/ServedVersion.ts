/**
 * A model version that is ready to answer: its instances, its codec and its queue, for as long as a scope.
 */
import type { Lane } from "@sluice/domain/ModelInfo"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Codec } from "@sluice/plugin-sdk/Plugin"
import * as Effect from "effect/Effect"
import { Batcher } from "../batching/Batcher.ts"
import type { BatchQueue } from "../batching/BatchQueue.ts"
import { type CacheNamespace, namespaceOf } from "../cache/CacheKey.ts"
import { withInlineLane } from "../execution/InlineLane.ts"
import { type Health, ModelHost } from "../execution/ModelHost.ts"
import { withSoloInstance } from "../execution/SoloInstance.ts"
import type { ThreadPlan } from "../execution/ThreadPlan.ts"
import { monotonicReader } from "../Monotonic.ts"
import type { VersionMetrics } from "../telemetry/Metrics.ts"
import { PlanTuner } from "../tuning/PlanTuner.ts"
import { type DecidingFiles, decidingFiles } from "./DecidingFiles.ts"
import { signatureCodec } from "./SignatureCodec.ts"
import type { VersionPlan } from "./VersionPlan.ts"
import { VersionUse } from "./VersionUse.ts"

export interface ServedVersion {
  readonly plan: VersionPlan
  readonly signature: ModelSignature
  readonly codec: Codec
  readonly queue: BatchQueue
  readonly metrics: VersionMetrics
  /** Where its batches run now. */
  readonly lane: () => Lane
  /** What its cached answers are kept under; undefined while large files beside the model are still being hashed. */
  readonly cacheNamespace: () => CacheNamespace | undefined
  /** Every call enters when the version was chosen for it, and leaves when it has its answer. */
  readonly use: VersionUse
  /** The version in its lighter precision, for requests that would wait longer than so many milliseconds. */
  readonly underLoad: { readonly version: ServedVersion; readonly aboveWaitMs: number } | undefined
}

/** More than so much beside the model file is hashed when the version answers already, uncached until then. */
const mostHashedFirst = 128 * 1024 * 1024

/** One instance on so many threads, where the last of the others is: they are given batches in their order. */
const soloPlan = ({ soloThreads, threads: { instances, shareWorker } }: VersionPlan): ThreadPlan => ({
  instances: 1,
  threads: soloThreads,
  isolation: "thread",
  shareWorker,
  firstSlot: instances - 1
})

export interface OpenVersionOptions {
  /** Settles when the machine is quiet enough to measure. */
  readonly quiet: Effect.Effect<void>
  readonly metrics: VersionMetrics
  readonly onHealth: (health: Health) => Effect.Effect<void>
}

/** Loads one file of a version and opens its queue. */
const openFile = Effect.fnUntraced(function*(planned: VersionPlan, options: OpenVersionOptions) {
  const { metrics, onHealth, quiet } = options
  const plan = yield* (yield* PlanTuner).settle(planned, quiet)
  const host = yield* ModelHost
  const batcher = yield* Batcher
  const now = yield* monotonicReader
  const { plugin } = plan.plugin
  const { model, options: pluginOptions, version } = plan.entry
  let cacheNamespace: CacheNamespace | undefined
  const { path, pluginUrl, precision } = plan.spec
  const nameCache = ({ digest }: DecidingFiles) =>
    Effect.map(digest, (revision) => {
      const parts = { model, version, precision, plugin: plugin.name, options: pluginOptions, revision }
      cacheNamespace = namespaceOf(parts)
    })
  const [hosted] = yield* Effect.all(
    [
      host.open(plan.spec, plan.threads, { runTimeoutMs: plan.runTimeoutMs, measure: true, onHealth }),
      Effect.flatMap(
        decidingFiles(path, pluginUrl),
        (files) => files.bytesBeside <= mostHashedFirst ? nameCache(files) : Effect.forkScoped(nameCache(files))
      )
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
  const lane = (): Lane => laned.instances()[0]?.inline === true ? "inline" : "worker"
  const use = new VersionUse(now())
  const served: ServedVersion = {
    plan,
    signature,
    codec,
    queue,
    metrics,
    lane,
    cacheNamespace: () => cacheNamespace,
    use,
    underLoad: undefined
  }
  return served
})

/** Loads a version and opens its queue; everything is released with the scope. */
export const openVersion = Effect.fnUntraced(function*(plan: VersionPlan, options: OpenVersionOptions) {
  const served = yield* openFile(plan, options)
  if (plan.underLoad === undefined) return served
  const { aboveWaitMs, plan: lighterPlan } = plan.underLoad
  const lighter = yield* openFile(lighterPlan, { ...options, onHealth: () => Effect.void })
  // Whoever uses one of them uses the version.
  return { ...served, underLoad: { aboveWaitMs, version: { ...lighter, use: served.use } } } satisfies ServedVersion
})

/** The version as it answers a request that comes now: in its lighter precision where it would have to wait too long. */
export const answering = (served: ServedVersion): ServedVersion => {
  const { queue, underLoad } = served
  if (underLoad === undefined) return served
  return queue.predictedWaitMs() > underLoad.aboveWaitMs ? underLoad.version : served
}
