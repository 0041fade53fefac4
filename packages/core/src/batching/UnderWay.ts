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
export const prefetchWithinMs = 12

const endMs = (batches: ReadonlyArray<BatchUnderWay>): number =>
  batches.reduce((end, { predictedMs }) => end + predictedMs, batches[0]?.startedMs ?? 0)

export class UnderWay {
  readonly #batches = new Map<Instance, Array<BatchUnderWay>>()

  /** The first idle instance, else the one that will be idle soonest if that is soon; undefined when none can take more. */
  choose(instances: ReadonlyArray<Instance>, nowMs: number): Instance | undefined {
    let soonest: Instance | undefined
    let soonestMs = nowMs + prefetchWithinMs
    for (const instance of instances) {
      const batches = this.#batches.get(instance)
      if (batches === undefined) return instance
      // A prediction of nothing means that nothing is known yet.
      if (instance.inline || batches.length > 1 || batches[0]!.predictedMs === 0) continue
      const end = endMs(batches)
      if (end < soonestMs) {
        soonest = instance
        soonestMs = end
      }
    }
    return soonest
  }

  add(instance: Instance, batch: BatchUnderWay): void {
    const batches = this.#batches.get(instance)
    if (batches === undefined) this.#batches.set(instance, [batch])
    else batches.push(batch)
  }

  remove(instance: Instance, batch: BatchUnderWay, nowMs: number): void {
    const left = this.#batches.get(instance)?.filter((other) => other !== batch) ?? []
    if (left.length === 0) this.#batches.delete(instance)
    else {
      left[0]!.startedMs = nowMs
      this.#batches.set(instance, left)
    }
  }

  /** The predicted rest of all of them together, in milliseconds. */
  restMs(nowMs: number): number {
    let rest = 0
    for (const batches of this.#batches.values()) rest += Math.max(0, endMs(batches) - nowMs)
    return rest
  }
}
