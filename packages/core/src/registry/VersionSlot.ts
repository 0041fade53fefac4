/**
 * The life of one version in memory: loaded once however many ask for it, put away when nobody uses it, loaded again.
 */
import { modelId } from "@sluice/domain/Ids"
import type { VersionState } from "@sluice/domain/ModelInfo"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Batcher } from "../batching/Batcher.ts"
import type { Health, ModelHost } from "../execution/ModelHost.ts"
import { monotonicReader } from "../Monotonic.ts"
import type { VersionMetrics } from "../telemetry/Metrics.ts"
import type { PlanTuner } from "../tuning/PlanTuner.ts"
import { openVersion, type ServedVersion } from "./ServedVersion.ts"
import type { VersionPlan } from "./VersionPlan.ts"

export interface VersionSlot {
  readonly plan: VersionPlan
  /** Of the entry and its files: another one is another version to load. */
  readonly identity: string
  readonly id: string
  readonly state: () => VersionState
  /** Present while its batches can be computed. */
  readonly served: () => ServedVersion | undefined
  /** Why it failed, for operators. */
  readonly failure: () => string | undefined
  /** What loading took the last time, in milliseconds. */
  readonly loadMs: () => number | undefined
  /** Loads it unless it is loaded; waits until it is ready or has failed. All who ask at once share one load. */
  readonly load: Effect.Effect<void>
  /** Waits for its users, for so long at most, and releases what it holds. */
  readonly unload: Effect.Effect<void>
  /** Settles when its first load has ended, one way or the other. */
  readonly settled: Effect.Effect<void>
}

/** Users of a version that is put away get their answers, unless they take longer than any deadline should allow. */
const longestDrain = "1 minute"

export interface SlotOptions {
  readonly identity: string
  readonly quiet: Effect.Effect<void>
  readonly metrics: () => VersionMetrics
  /** Where its memory is released at the latest. */
  readonly scope: Scope.Scope
}

export const makeVersionSlot = Effect.fnUntraced(function*(plan: VersionPlan, options: SlotOptions) {
  const { identity, metrics, quiet, scope } = options
  const id = modelId(plan.entry.model, plan.entry.version)
  const context = yield* Effect.context<Batcher | ModelHost | PlanTuner>()
  const now = yield* monotonicReader
  const settled = yield* Deferred.make<void>()
  /** One change at a time: what asks for a load while it is put away gets it anew after that. */
  const changing = yield* Semaphore.make(1)
  let state: VersionState = "unloaded"
  let failure: string | undefined
  let loadMs: number | undefined
  let served: ServedVersion | undefined
  let own: Scope.Closeable | undefined

  /** A version whose instances end again and again answers no more until one of them lives. */
  const onHealth = (health: Health) =>
    Effect.suspend(() => {
      const failing = health._tag === "Failing"
      failure = failing ? health.reason : undefined
      if (served !== undefined && state !== "draining") {
        state = failing ? "failed" : "ready"
        metrics().loaded(!failing)
      }
      return failing
        ? Effect.logError(`${id} has failed: ${health.reason}. It is tried again in the background`)
        : Effect.logInfo(`${id} is ready again`)
    })

  const open = Effect.gen(function*() {
    if (served !== undefined) return
    state = "loading"
    failure = undefined
    const startedMs = now()
    // A scope of its own: a version that fails half open leaves nothing behind.
    const ownScope = yield* Scope.fork(scope)
    own = ownScope
    const recorder = metrics()
    const opened = yield* openVersion(plan, { quiet, metrics: recorder, onHealth }).pipe(
      Scope.provide(ownScope),
      Effect.provideContext(context),
      Effect.exit
    )
    if (Exit.isSuccess(opened)) {
      served = opened.value
      loadMs = now() - startedMs
      state = failure === undefined ? "ready" : "failed"
      return recorder.loaded(state === "ready")
    }
    own = undefined
    yield* Scope.close(ownScope, opened)
    if (Cause.hasInterruptsOnly(opened.cause)) {
      state = "unloaded"
      return
    }
    const error = Cause.squash(opened.cause)
    failure = error instanceof Error ? error.message : String(error)
    state = "failed"
    yield* Effect.logError(`${id} could not be loaded: ${failure}`)
  }).pipe(Effect.ensuring(Deferred.succeed(settled, undefined)))

  const close = Effect.gen(function*() {
    const leaving = served
    const scope = own
    if (leaving === undefined || scope === undefined) {
      if (state === "failed") state = "unloaded"
      return
    }
    state = "draining"
    served = undefined
    metrics().loaded(false)
    yield* Effect.timeoutOption(leaving.use.idle, longestDrain)
    own = undefined
    yield* Scope.close(scope, Exit.void)
    state = "unloaded"
  })

  // Forked into the slot's own life: who asked may leave, others may have come to wait for the same load.
  const runHere = (change: Effect.Effect<void>) =>
    Effect.flatMap(Effect.forkIn(changing.withPermits(1)(change), scope, { startImmediately: true }), Fiber.join)

  const slot: VersionSlot = {
    plan,
    identity,
    id,
    state: () => state,
    served: () => served,
    failure: () => failure,
    loadMs: () => loadMs,
    load: Effect.suspend(() => runHere(open)),
    unload: Effect.suspend(() => runHere(close)),
    settled: Deferred.await(settled)
  }
  return slot
})
