/**
 * Instances as the Batcher has taken them so far: lent out one by one, run as Effects. Goes when it takes a HostedModel.
 */
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Effect from "effect/Effect"
import type { HostedModel, Instance, Ran, RunError } from "./HostedModel.ts"

/** Whoever holds it runs one batch and gives it back. */
export interface OldInstance {
  readonly alive: () => boolean
  readonly run: (inputs: TensorMap) => Effect.Effect<Ran, RunError>
}

export interface BatcherModel {
  readonly signature: ModelSignature
  /** Waits for an idle instance. */
  readonly acquire: Effect.Effect<OldInstance>
  readonly giveBack: (instance: OldInstance) => Effect.Effect<void>
}

export const forBatcher = (hosted: HostedModel): BatcherModel => {
  const lent = new Set<Instance>()
  const origins = new WeakMap<OldInstance, Instance>()
  const waiting: Array<() => boolean> = []
  const serve = (): void => {
    while (waiting[0]?.() === true) waiting.shift()
  }
  const lend = (): OldInstance | undefined => {
    const instance = hosted.instances().find((instance) => instance.alive() && !lent.has(instance))
    if (instance === undefined) return undefined
    lent.add(instance)
    const old: OldInstance = {
      alive: instance.alive,
      run: (inputs) => Effect.callback((resume) => instance.run(inputs, (result) => resume(Effect.fromResult(result))))
    }
    origins.set(old, instance)
    return old
  }
  hosted.onChange(serve)
  return {
    signature: hosted.signature,
    acquire: Effect.callback((resume) => {
      const attempt = (): boolean => {
        const instance = lend()
        if (instance !== undefined) resume(Effect.succeed(instance))
        return instance !== undefined
      }
      waiting.push(attempt)
      serve()
      return Effect.sync(() => {
        const at = waiting.indexOf(attempt)
        if (at >= 0) waiting.splice(at, 1)
      })
    }),
    giveBack: (instance) =>
      Effect.sync(() => {
        const origin = origins.get(instance)
        if (origin !== undefined) lent.delete(origin)
        serve()
      })
  }
}
