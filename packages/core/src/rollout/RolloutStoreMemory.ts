/**
 * Rollouts kept in this process, for as long as it lives.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RolloutCounts } from "./RolloutCounts.ts"
import type { RolloutState } from "./RolloutState.ts"
import { RolloutStore } from "./RolloutStore.ts"

const stepName = (rolloutId: string, step: number): string => `${rolloutId}:${step}`

export const layerMemory: Layer.Layer<RolloutStore> = Layer.sync(RolloutStore, () => {
  const states = new Map<string, RolloutState>()
  /** By model, step and process. */
  const reported = new Map<string, Map<string, Map<string, RolloutCounts>>>()
  return RolloutStore.of({
    read: (model) => Effect.sync(() => states.get(model)),
    write: (model, expectedRevision, state) =>
      Effect.sync(() => {
        if (states.get(model)?.revision !== expectedRevision) return false
        states.set(model, state)
        const present = stepName(state.rolloutId, state.step)
        const steps = reported.get(model)
        for (const step of steps?.keys() ?? []) if (step !== present) steps?.delete(step)
        return true
      }),
    report: (model, rolloutId, step, processId, counts) =>
      Effect.sync(() => {
        const steps = reported.get(model) ?? new Map<string, Map<string, RolloutCounts>>()
        reported.set(model, steps)
        const name = stepName(rolloutId, step)
        const byProcess = steps.get(name) ?? new Map<string, RolloutCounts>()
        steps.set(name, byProcess)
        byProcess.set(processId, counts)
      }),
    reports: (model, rolloutId, step) =>
      Effect.sync(() => [...reported.get(model)?.get(stepName(rolloutId, step))?.values() ?? []])
  })
})
