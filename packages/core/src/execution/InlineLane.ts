/**
 * The lane for tiny models: where a run takes less than the way to a worker, a version's batches run on the event loop,
 * until they take too long for it. Its workers stay loaded as a reserve.
 */
import { modelId } from "@sluice/domain/Ids"
import type { Model, PluginError } from "@sluice/plugin-sdk/Plugin"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HostedModel, Instance } from "./HostedModel.ts"
import { openInline } from "./InlineInstance.ts"
import { InlineWatch } from "./InlineWatch.ts"
import { leastOf } from "./TimedRuns.ts"

export interface LaneOptions {
  readonly model: string
  readonly version: string
  /** What a run of one row may take to be run inline, in milliseconds; 0 for never. */
  readonly boundMs: number
  /** Settles when the machine is quiet enough to measure. */
  readonly quiet: Effect.Effect<void>
  /** Loads the model in this thread; it is released with the scope. */
  readonly load: Effect.Effect<Model, PluginError, Scope.Scope>
  /** Told whenever the lane changes. */
  readonly onLane: (isInline: boolean) => void
}

/** So many times the bound a run may take where the way to a worker takes longer still, as on a slow machine. */
const stretch = 4

/** How often a run is measured again. */
const measuredRuns = 40

/** Whether a run, measured when the machine is quiet, takes less than the bound or than the way to the worker. */
const isShort = Effect.fnUntraced(function*(hosted: HostedModel, { boundMs, quiet }: LaneOptions) {
  yield* quiet
  const [worker] = hosted.instances()
  const inputs = hosted.probes?.[0]?.inputs
  if (worker === undefined || inputs === undefined) return false
  const { computeMs, wayMs } = yield* leastOf(worker, inputs, measuredRuns)
  return computeMs < Math.max(boundMs, Math.min(wayMs, stretch * boundMs))
})

/**
 * The version with its batches on the event loop, where its workers measured a run of one row below the bound, or below
 * the way to them. The workers answer until it is loaded here, so that no version waits for this to be ready.
 */
export const withInlineLane = Effect.fnUntraced(function*(hosted: HostedModel, options: LaneOptions) {
  const { boundMs, load, model, onLane, version } = options
  const oneRowMs = hosted.seeds?.[0]?.ms
  if (oneRowMs === undefined || oneRowMs >= stretch * boundMs) return hosted
  const id = modelId(model, version)
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const watch = new InlineWatch(boundMs)
  const retired = Deferred.makeUnsafe<void>()
  let inline: Instance | undefined
  let listener = (): void => {}

  const retire = (rows: number, ms: number): void => {
    inline = undefined
    Deferred.doneUnsafe(retired, Effect.void)
    runFork(Effect.logWarning(
      `${id} has become too slow for the event loop (${ms.toFixed(1)} ms for a batch of ${rows}): its batches go to ` +
        "workers from now on"
    ))
    onLane(false)
    listener()
  }
  const ran = (rows: number, ms: number): void => {
    if (inline !== undefined && watch.outgrownBy(rows, ms)) retire(rows, ms)
  }
  const enter = Effect.gen(function*() {
    if (oneRowMs >= boundMs && !(yield* isShort(hosted, options))) return
    const opened = yield* openInline({ model, version, load, ran })
    inline = { ...opened, alive: () => inline !== undefined && opened.alive() }
    yield* Effect.logDebug(`${id} runs on the event loop: a row took ${(oneRowMs * 1000).toFixed(0)} µs at its start`)
    onLane(true)
    listener()
    yield* Deferred.await(retired)
  }).pipe(
    Effect.scoped,
    Effect.catchCause((cause) =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.void
        : Effect.logWarning(`${id} cannot be loaded on the event loop and stays in its workers`, cause)
    )
  )
  yield* Effect.forkScoped(enter)

  const lane: HostedModel = {
    ...hosted,
    instances: () => inline?.alive() === true ? [inline] : hosted.instances(),
    onChange: (changed) => {
      listener = changed
      // While the lane is open, what becomes of the workers changes nothing.
      hosted.onChange(() => {
        if (inline?.alive() !== true) changed()
      })
    }
  }
  return lane
})
