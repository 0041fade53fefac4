/**
 * Tells a model's rollout what its callers got, and has copies of their requests computed by the other version. It sees a
 * request when its caller has the answer already.
 */
import * as Result from "effect/Result"
import type { InferCall } from "./InferCall.ts"
import { type Answered, failureIn, type InferRequest, type InferResult } from "./InferRequest.ts"
import type { ModelRegistry } from "./registry/ModelRegistry.ts"
import type { ServedVersion } from "./registry/ServedVersion.ts"
import { isSampled, type Routing } from "./rollout/Assignment.ts"
import { CopyQueue, type CopyQueueOptions } from "./rollout/CopyQueue.ts"
import { isVersionError, type RolloutMonitor } from "./rollout/RolloutMonitor.ts"
import type { Rollouts } from "./rollout/Rollouts.ts"
import type { ComputeCopy } from "./RolloutCopy.ts"
import type { Metrics } from "./telemetry/Metrics.ts"
import type { RolloutRole, VersionMetrics } from "./telemetry/VersionMeters.ts"

export interface ObserverOptions extends CopyQueueOptions {
  readonly rollouts: Rollouts["Service"]
  readonly registry: ModelRegistry["Service"]
  readonly metrics: Metrics["Service"]
  /** 0 to 1. */
  readonly random: () => number
  readonly compute: ComputeCopy
}

/** A canary's default is copied that often at most, in milliseconds: enough to compare by, whatever the traffic. */
const canaryCopyEveryMs = 20

/** A larger request would hold up others, though nobody waits for its copy. */
const mostItems = 32

/** Who is told how a target compares. */
interface Comparison {
  readonly monitor: RolloutMonitor
  readonly target: VersionMetrics
}

export const makeRolloutObserver = (options: ObserverOptions) => {
  const { compute, metrics, random, registry, rollouts } = options
  const queues = new Map<string, CopyQueue>()
  const queueOf = (model: string): CopyQueue => {
    const known = queues.get(model)
    if (known !== undefined) return known
    const queue = new CopyQueue(options)
    queues.set(model, queue)
    return queue
  }

  const drop = ({ monitor, target }: Comparison): void => {
    monitor.drop()
    target.copyDropped()
  }

  const compare = (
    { monitor, target }: Comparison,
    call: InferCall,
    ofDefault: InferResult,
    ofTarget: InferResult
  ): void => {
    const { input } = call.request
    ofDefault.items.forEach((item, i) => {
      const other = ofTarget.items[i]
      if (other === undefined || Result.isFailure(item) || Result.isFailure(other)) return
      target.compared(monitor.compare({
        default: item.success,
        target: other.success,
        input: input._tag === "Items" ? input.items[i] : undefined
      }))
    })
  }

  /** When a canary's default was last copied, by model. */
  const copiedMs = new Map<string, number>()
  const isDue = (model: string): boolean => {
    const nowMs = options.now()
    if (nowMs - (copiedMs.get(model) ?? -Infinity) < canaryCopyEveryMs) return false
    copiedMs.set(model, nowMs)
    return true
  }

  /** Has the other version compute a copy: of a shadow's sample, of all that a canary answered, and of some that it did not. */
  const copy = (monitor: RolloutMonitor, call: InferCall, answer: InferResult, routing: Routing): void => {
    if (routing.type !== "shadow" && routing.type !== "canary") return
    const { entry: { model, version } } = call.version.plan
    const byTarget = version === routing.targetVersion
    const wanted = routing.type === "shadow"
      ? !byTarget && isSampled(routing.percentage, random())
      : byTarget || isDue(model)
    if (!wanted) return
    const own = registry.served(model, version)
    const comparison = { monitor, target: metrics.recorder(model, routing.targetVersion) }
    const other = registry.served(model, byTarget ? undefined : routing.targetVersion)
    if (other === undefined || answer.items.length > mostItems) return drop(comparison)
    queueOf(model).offer({
      mayRun: () => other.queue.hasRoom && (own === undefined || own.queue.hasRoom),
      drop: () => drop(comparison),
      run: (done) =>
        compute(call.request, other, (answered, tookMs) => {
          if (routing.type === "shadow") record(monitor, comparison.target, "shadow", answered, tookMs)
          if (Result.isSuccess(answered)) {
            if (byTarget) compare(comparison, call, answered.success, answer)
            else compare(comparison, call, answer, answered.success)
          }
          done()
        })
    })
  }

  const record = (
    monitor: RolloutMonitor,
    version: VersionMetrics,
    role: RolloutRole,
    answered: Answered,
    tookMs: number
  ): void => {
    const error = failureIn(answered)
    const isDegraded = Result.isSuccess(answered) && answered.success.degraded !== undefined
    const failed = isDegraded || (error !== undefined && isVersionError(error))
    // What was kept says nothing of the version, unless it had to stand in for it; nor does what the caller did wrong.
    const says = Result.isFailure(answered) ? failed : isDegraded || answered.success.cacheStatus !== "hit"
    if (!says) return
    monitor.record(role === "default" ? "default" : "target", tookMs, failed)
    version.rolloutRequest(role, failed)
  }

  return {
    /** A request begins. It is told to this monitor; undefined where its caller chose the version, or nothing is compared. */
    began: ({ version }: InferRequest, served: ServedVersion): RolloutMonitor | undefined => {
      if (version !== undefined) return undefined
      served.metrics.assigned()
      return rollouts.monitor(served.plan.entry.model)
    },
    /** The caller has this answer. */
    ended: (call: InferCall, answered: Answered, tookMs: number): void => {
      const { monitor, version } = call
      if (monitor === undefined) return
      // A stale answer is the cache's, in place of a failure: it says nothing of either version.
      if (Result.isSuccess(answered) && answered.success.degraded !== undefined) return
      const { model, version: name } = version.plan.entry
      const routing = rollouts.routing(model)
      if (routing?.type !== "canary" && routing?.type !== "shadow") return
      record(monitor, version.metrics, name === routing.targetVersion ? "target" : "default", answered, tookMs)
      if (Result.isSuccess(answered) && answered.success.degraded === undefined) {
        copy(monitor, call, answered.success, routing)
      }
    }
  }
}

export type RolloutObserver = ReturnType<typeof makeRolloutObserver>
