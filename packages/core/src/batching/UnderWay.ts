/**
 * What the instances compute now, and which of them can take the next batch.
 */
import type { Instance } from "../execution/HostedModel.ts"

/** A batch that an instance was given and has not answered. Times monotonic, in milliseconds. */
export interface BatchUnderWay {
  /** When it was given, or when the one before it on its instance ended. */
  startedMs: number
  readonly predictedMs: number
}

/**
 * An instance that will be idle within this time is given its next batch already, so that it does not wait for the event
 * loop in between. A batch given early can no longer go to another instance, so this stays short. Milliseconds.
 */
const prefetchWithinMs = 12

/** Only an instance that went from batch to batch this often is under such a load that it pays. */
const prefetchAfter = 2

/** What an instance has to do. */
interface Workload {
  readonly instance: Instance
  readonly batches: Array<BatchUnderWay>
  /** When it last became idle. */
  idleMs: number
  /** How often in a row it began a batch when it ended one. */
  streak: number
}

const endMs = ({ batches }: Workload): number => {
  let end = batches[0]?.startedMs ?? 0
  for (const { predictedMs } of batches) end += predictedMs
  return end
}

export class UnderWay {
  /** So few that a search is quickest. */
  #workloads: Array<Workload> = []

  /**
   * The first idle instance, else the one that will be idle soonest if that is soon; undefined when none can take more. A
   * lone row that finds all of them idle goes to the one that uses every core.
   */
  choose(instances: ReadonlyArray<Instance>, nowMs: number, waiting: number): Instance | undefined {
    let idle: Instance | undefined
    let soonest: Instance | undefined
    let soonestMs = nowMs + prefetchWithinMs
    for (const instance of instances) {
      if (instance.solo === true) {
        if (waiting === 1 && this.#isIdle()) return instance
        continue
      }
      const workload = this.#of(instance)
      if (workload === undefined || workload.batches.length === 0) {
        idle ??= instance
        continue
      }
      const { batches, streak } = workload
      // A prediction of nothing means that nothing is known yet.
      if (instance.inline || batches.length > 1 || batches[0]!.predictedMs === 0 || streak < prefetchAfter) continue
      const end = endMs(workload)
      if (end < soonestMs) {
        soonest = instance
        soonestMs = end
      }
    }
    return idle ?? soonest
  }

  /** The instance was given a batch, at the time that is the batch's start. */
  add(instance: Instance, batch: BatchUnderWay): void {
    const workload = this.#of(instance)
    if (workload === undefined) {
      this.#workloads = this.#workloads.filter((other) => other.instance.alive() || other.batches.length > 0)
      this.#workloads.push({ instance, batches: [batch], idleMs: -Infinity, streak: 0 })
      return
    }
    if (workload.batches.length === 0) {
      workload.streak = batch.startedMs === workload.idleMs ? workload.streak + 1 : 0
    }
    workload.batches.push(batch)
  }

  remove(instance: Instance, batch: BatchUnderWay, nowMs: number): void {
    const workload = this.#of(instance)
    if (workload === undefined) return
    const { batches } = workload
    batches.splice(batches.indexOf(batch), 1)
    if (batches.length === 0) workload.idleMs = nowMs
    else batches[0]!.startedMs = nowMs
  }

  /** The predicted rest of all of them together, in milliseconds. */
  restMs(nowMs: number): number {
    let rest = 0
    for (const workload of this.#workloads) rest += Math.max(0, endMs(workload) - nowMs)
    return rest
  }

  /** Whether the instance computes nothing, and would not share its cores with others that do. */
  isIdle(instance: Instance): boolean {
    return instance.solo !== true && (this.#of(instance)?.batches.length ?? 0) === 0
  }

  #isIdle(): boolean {
    return this.#workloads.every(({ batches }) => batches.length === 0)
  }

  #of(instance: Instance): Workload | undefined {
    for (const workload of this.#workloads) if (workload.instance === instance) return workload
    return undefined
  }
}
