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

export interface ObserverOptions extends CopyQueueOptions {
  readonly rollouts: Rollouts["Service"]
  readonly registry: ModelRegistry["Service"]
  /** 0 to 1. */
  readonly random: () => number
  readonly compute: ComputeCopy
}

/** A canary's default is copied that often at most, in milliseconds: enough to compare by, whatever the traffic. */
const canaryCopyEveryMs = 20

/** A larger request would hold up others, though nobody waits for its copy. */
const mostItems = 32

export const makeRolloutObserver = (options: ObserverOptions) => {
  const { compute, random, registry, rollouts } = options
  const queues = new Map<string, CopyQueue>()
  const queueOf = (model: string): CopyQueue => {
    const known = queues.get(model)
    if (known !== undefined) return known
    const queue = new CopyQueue(options)
    queues.set(model, queue)
    return queue
  }

  const compare = (monitor: RolloutMonitor, call: InferCall, ofDefault: InferResult, ofTarget: InferResult): void => {
    const { input } = call.request
    ofDefault.items.forEach((item, i) => {
      const other = ofTarget.items[i]
      if (other === undefined || Result.isFailure(item) || Result.isFailure(other)) return
      monitor.compare({
        default: item.success,
        target: other.success,
        input: input._tag === "Items" ? input.items[i] : undefined
      })
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
    const other = registry.served(model, byTarget ? undefined : routing.targetVersion)
    if (other === undefined || answer.items.length > mostItems) return monitor.drop()
    queueOf(model).offer({
      mayRun: () => other.queue.hasRoom && (own === undefined || own.queue.hasRoom),
      drop: () => monitor.drop(),
      run: (done) =>
        compute(call.request, other, (answered, tookMs) => {
          if (routing.type === "shadow") record(monitor, "target", answered, tookMs)
          if (Result.isSuccess(answered)) {
            if (byTarget) compare(monitor, call, answered.success, answer)
            else compare(monitor, call, answer, answered.success)
          }
          done()
        })
    })
  }

  const record = (monitor: RolloutMonitor, side: "default" | "target", answered: Answered, tookMs: number): void => {
    const error = failureIn(answered)
    const failed = error !== undefined && isVersionError(error)
    // What was kept says nothing of the version, and nor does what the caller did wrong.
    const says = Result.isFailure(answered) ? failed : answered.success.cacheStatus !== "hit"
    if (says) monitor.record(side, tookMs, failed)
  }

  return {
    /** What a request that begins now is told to; undefined where its caller chose the version, or nothing is compared. */
    monitorOf: ({ version }: InferRequest, served: ServedVersion): RolloutMonitor | undefined =>
      version === undefined ? rollouts.monitor(served.plan.entry.model) : undefined,
    /** The caller has this answer. */
    ended: (call: InferCall, answered: Answered, tookMs: number): void => {
      const { monitor, version } = call
      if (monitor === undefined) return
      const { model, version: name } = version.plan.entry
      const routing = rollouts.routing(model)
      if (routing?.type !== "canary" && routing?.type !== "shadow") return
      record(monitor, name === routing.targetVersion ? "target" : "default", answered, tookMs)
      if (Result.isSuccess(answered)) copy(monitor, call, answered.success, routing)
    }
  }
}
