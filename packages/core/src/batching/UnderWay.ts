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

interface Busy {
  readonly instance: Instance
  readonly batches: Array<BatchUnderWay>
}

const endMs = (batches: ReadonlyArray<BatchUnderWay>): number => {
  let end = batches[0]?.startedMs ?? 0
  for (const { predictedMs } of batches) end += predictedMs
  return end
}

export class UnderWay {
  /** Of so few members that a search is quickest. */
  readonly #busy: Array<Busy> = []

  /** The first idle instance, else the one that will be idle soonest if that is soon; undefined when none can take more. */
  choose(instances: ReadonlyArray<Instance>, nowMs: number): Instance | undefined {
    let soonest: Instance | undefined
    let soonestMs = nowMs + prefetchWithinMs
    for (const instance of instances) {
      const batches = this.#of(instance)?.batches
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
    const busy = this.#of(instance)
    if (busy === undefined) this.#busy.push({ instance, batches: [batch] })
    else busy.batches.push(batch)
  }

  remove(instance: Instance, batch: BatchUnderWay, nowMs: number): void {
    const at = this.#busy.findIndex((busy) => busy.instance === instance)
    const batches = this.#busy[at]?.batches ?? []
    batches.splice(batches.indexOf(batch), 1)
    if (batches.length === 0) this.#busy.splice(at, 1)
    else batches[0]!.startedMs = nowMs
  }

  /** The predicted rest of all of them together, in milliseconds. */
  restMs(nowMs: number): number {
    let rest = 0
    for (const { batches } of this.#busy) rest += Math.max(0, endMs(batches) - nowMs)
    return rest
  }

  #of(instance: Instance): Busy | undefined {
    for (const busy of this.#busy) if (busy.instance === instance) return busy
    return undefined
  }
}
