/**
 * One more instance that may use every core, for a row that finds the version idle: alone, one text is faster on all
 * cores, while under load one thread each wins. It costs the memory of one more copy.
 */
import { modelId } from "@sluice/domain/Ids"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HostedModel, Instance } from "./HostedModel.ts"

export interface SoloOptions {
  readonly model: string
  readonly version: string
  /** Loads and measures a copy that uses every core; it is released with the scope. */
  readonly open: Effect.Effect<HostedModel, Error, Scope.Scope>
  /** Settles when the machine is quiet enough for that, and nobody waits for another version. */
  readonly quiet: Effect.Effect<void>
}

/** It must be so much faster, or it is not worth its memory. */
const worthIt = 1.2

const oneRowMs = ({ seeds }: HostedModel): number => seeds?.[0]?.ms ?? NaN

/** The version, and beside its instances the one for a lone row, as soon as that is loaded and if it is faster. */
export const withSoloInstance = Effect.fnUntraced(function*(hosted: HostedModel, options: SoloOptions) {
  const { model, open, quiet, version } = options
  const id = modelId(model, version)
  let solo: ReadonlyArray<Instance> = []
  let listener = (): void => undefined

  const enter = Effect.gen(function*() {
    yield* quiet
    const opened = yield* open
    const ratio = oneRowMs(hosted) / oneRowMs(opened)
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
