/**
 * One more instance that may use every core, for a row that finds the version idle: alone, one text is faster on all
 * cores, while under load one thread each wins. It costs the memory of one more copy.
 */
import { modelId } from "@sluice/domain/Ids"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HostedModel, Instance } from "./HostedModel.ts"
import { timedRun } from "./TimedRuns.ts"

export interface SoloOptions {
  readonly model: string
  readonly version: string
  /** Loads a copy that uses every core; it is released with the scope. */
  readonly open: Effect.Effect<HostedModel, Error, Scope.Scope>
  /** Settles when the machine is quiet enough for that, and nobody waits for another version. */
  readonly quiet: Effect.Effect<void>
}

/** It must be so much faster, or it is not worth its memory. */
const worthIt = 1.15

/** Runs of each that are compared; the least counts, for a noisy machine only ever makes runs longer. */
const comparedRuns = 8

/** A machine that is busy with something else shows no gain, so it is asked again after so long before it is believed. */
const askAgainAfter = ["3 seconds", "10 seconds", "1 minute"] as const

/** How many times as fast a row is on the second, run in turns so that both see the same machine. */
const speedUp = Effect.fnUntraced(function*(shared: Instance, solo: Instance, inputs: TensorMap) {
  let sharedMs = Infinity
  let soloMs = Infinity
  for (let run = 0; run < comparedRuns; run++) {
    sharedMs = Math.min(sharedMs, (yield* timedRun(shared, inputs)).computeMs)
    soloMs = Math.min(soloMs, (yield* timedRun(solo, inputs)).computeMs)
  }
  return sharedMs / soloMs
})

/** The version, and beside its instances the one for a lone row, as soon as that is loaded and if it is faster. */
export const withSoloInstance = Effect.fnUntraced(function*(hosted: HostedModel, options: SoloOptions) {
  const { model, open, quiet, version } = options
  const id = modelId(model, version)
  let solo: ReadonlyArray<Instance> = []
  let listener = (): void => undefined

  const enter = Effect.gen(function*() {
    yield* quiet
    const opened = yield* open
    const [shared] = hosted.instances()
    const [first] = opened.instances()
    // The costliest row says most of what threads do.
    const inputs = hosted.probes?.at(-1)?.inputs
    if (shared === undefined || first === undefined || inputs === undefined) return
    let ratio = yield* speedUp(shared, first, inputs)
    for (const delay of askAgainAfter) {
      if (ratio >= worthIt) break
      yield* Effect.sleep(delay)
      ratio = yield* speedUp(shared, first, inputs)
    }
    if (!(ratio >= worthIt)) {
      return yield* Effect.logDebug(`${id}: a row alone is not faster on all cores (${ratio.toFixed(2)} times)`)
    }
    yield* Effect.logDebug(`${id}: a row alone is ${ratio.toFixed(2)} times as fast on all cores`)
    const refresh = (): void => {
      solo = opened.instances().map((instance) => ({ ...instance, solo: true }))
      listener()
    }
    opened.onChange(refresh)
    refresh()
    return yield* Effect.never
  }).pipe(
    Effect.scoped,
    Effect.ensuring(Effect.sync(() => {
      solo = []
    })),
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.logWarning(`${id} has no instance for lone rows: it could not be loaded`, cause)
    )
  )
  yield* Effect.forkScoped(enter)

  const withSolo: HostedModel = {
    ...hosted,
    instances: () => solo.length === 0 ? hosted.instances() : [...hosted.instances(), ...solo],
    onChange: (changed) => {
      listener = changed
      hosted.onChange(changed)
    }
  }
  return withSolo
})
