/**
 * Runs the instances of model versions in workers and keeps them alive: one that dies or hangs is replaced, its caller
 * told.
 */
import { InstanceLost, ModelFailed } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { makeBoundedLog } from "../telemetry/BoundedLog.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import type { HostedModel, Instance, RunError } from "./HostedModel.ts"
import { type CallError, type ModelWorker, WorkerLost } from "./ModelWorker.ts"
import { healthyAfterMs, isFailing, restartDelayMs } from "./RestartRule.ts"
import type { ThreadPlan } from "./ThreadPlan.ts"
import { WorkerPool } from "./WorkerPool.ts"
import type { LoadedModel, LoadSpec } from "./WorkerProtocol.ts"

/** The first instance of a version could not be loaded. `reason` is for operators. */
export class LoadFailed extends Data.TaggedError("LoadFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** A version is failing when all its instances are, see `RestartRule`. It is well again when one has lived. */
export type Health = { readonly _tag: "Well" } | { readonly _tag: "Failing"; readonly reason: string }

export interface OpenOptions {
  /** How long one batch may compute before its instance is replaced. */
  readonly runTimeoutMs: number
  /** Measures the first instance when it is warm, for `seeds` and `probes`. Default false. */
  readonly measure?: boolean
  /** Told of each change. A version is well when it has been opened. */
  readonly onHealth?: (health: Health) => Effect.Effect<void>
}

/** How long a caller whose instance ended is told to wait: about a reload. */
const replacementMs = 500

/** How long further instances give way to the first ones of other versions. */
const furtherInstancesAfter = "2 seconds"

/** How many threads that hang a version may leave behind: each holds its model, and perhaps a core, until it comes back. */
const hungThreadLimit = 3

const sentence = (error: unknown): string => error instanceof Error ? error.message : String(error)

/** Opens versions on the pool's workers. */
const openOn = (pool: WorkerPool["Service"], metrics: Metrics["Service"]) => {
  let instances = 0
  let firstsLoading = 0
  const noFirstLoading = Latch.makeUnsafe(true)
  /** Runs while a version's first instance loads: every version's first comes before any version's second. */
  const asFirst = <A, E>(loading: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.acquireUseRelease(
      Effect.suspend(() => firstsLoading++ === 0 ? noFirstLoading.close : Effect.void),
      () => loading,
      () => Effect.suspend(() => --firstsLoading === 0 ? noFirstLoading.open : Effect.void)
    )
  return Effect.fnUntraced(function*(spec: LoadSpec, plan: ThreadPlan, options: OpenOptions) {
    const { model, version } = spec
    const { runTimeoutMs } = options
    const named = modelId(model, version)
    const log = yield* makeBoundedLog
    const first = yield* Deferred.make<LoadedModel, LoadFailed>()
    const failing = new Map<number, string>()
    let living: ReadonlyArray<Instance> = []
    let listener = (): void => undefined
    let hung: ReadonlyArray<ModelWorker> = []

    const setLiving = (instances: ReadonlyArray<Instance>): void => {
      living = instances
      listener()
    }

    // Versions of one plugin share a worker for each instance number, so that together they use no more threads.
    const workerOf = (slot: number) =>
      plan.shareWorker
        ? pool.shared(`${spec.pluginUrl}#${(plan.firstSlot ?? 0) + slot}`)
        : pool.dedicated(plan.isolation)

    const toRunError = (error: CallError): RunError => {
      log(
        "failed",
        Effect.logError(`a batch of ${named} failed: ${error.reason}`),
        (count) => Effect.logError(`${count} more batches of ${named} failed, the last one: ${error.reason}`)
      )
      return error._tag === "WorkerLost"
        ? new InstanceLost({ model, version, retryAfterMs: replacementMs })
        : new ModelFailed({ model, version })
    }

    /** One life of an instance: from starting its worker to that worker's end. Fails if it does not even load. */
    const live = Effect.fnUntraced(function*(slot: number, healthy: Effect.Effect<void>) {
      hung = hung.filter((worker) => !worker.gone())
      if (hung.length >= hungThreadLimit) {
        return yield* new LoadFailed({ reason: `${hung.length} of its threads hang in a run and do not come back` })
      }
      const worker = yield* workerOf(slot)
      const id = instances++
      let released = false
      const instance: Instance = {
        alive: () => !released && worker.alive(),
        inline: false,
        run: (inputs, settle) =>
          released
            ? queueMicrotask(() =>
              settle(Result.fail(toRunError(new WorkerLost({ reason: "its version was closed" }))))
            )
            : worker.run(id, inputs, runTimeoutMs, (result) => settle(Result.mapError(result, toRunError)))
      }
      const leave = (): void => {
        if (living.includes(instance)) setLiving(living.filter((other) => other !== instance))
      }
      // A worker of its own ends with the instance, and releases what it holds.
      yield* Effect.addFinalizer(() => {
        released = true
        leave()
        return plan.shareWorker ? worker.release(id) : Effect.void
      })
      const measure = options.measure === true && !Deferred.isDoneUnsafe(first)
      const loaded = yield* worker.load(id, { ...spec, threads: plan.threads }, measure)
      worker.onLost(leave)
      if (worker.alive()) setLiving([...living, instance])
      yield* Deferred.succeed(first, loaded)
      yield* Effect.forkScoped(Effect.andThen(Effect.sleep(healthyAfterMs), healthy))
      const reason = yield* worker.lost
      if (!worker.gone() && plan.isolation === "thread") hung = [...hung, worker]
      return reason
    }, Effect.scoped)

    const tell = (health: Health) => options.onHealth?.(health) ?? Effect.void
    const setFailing = Effect.fnUntraced(function*(slot: number, reason: string) {
      const was = failing.size === plan.instances
      failing.set(slot, reason)
      if (!was && failing.size === plan.instances) yield* tell({ _tag: "Failing", reason })
    })
    const setHealthy = (slot: number) =>
      Effect.suspend(() => {
        const was = failing.size === plan.instances
        failing.delete(slot)
        return was ? tell({ _tag: "Well" }) : Effect.void
      })

    /** Starts an instance again whenever it ends, unless the version never loaded at all. */
    const supervise = Effect.fnUntraced(function*(slot: number) {
      let ends = 0
      const healthy = Effect.suspend(() => {
        ends = 0
        return setHealthy(slot)
      })
      while (true) {
        const reason = yield* Effect.catchCause(
          live(slot, healthy),
          (cause) => Effect.succeed(sentence(Cause.squash(cause)))
        )
        if (yield* Deferred.fail(first, new LoadFailed({ reason }))) return
        const delay = restartDelayMs(++ends)
        metrics.workerRestarted(model, version)
        log(
          "ended",
          Effect.logWarning(`an instance of ${named} ended: ${reason}. Restart in ${delay} ms`),
          (count) => Effect.logWarning(`instances of ${named} ended ${count} more times, the last one: ${reason}`)
        )
        if (isFailing(ends)) {
          yield* setFailing(slot, `its instances end again and again, the last one because ${reason}`)
        }
        yield* Effect.sleep(delay)
      }
    })

    yield* Effect.forkScoped(supervise(0))
    const { probes, seeds, signature } = yield* asFirst(Deferred.await(first))
    // The others load while the first already serves, so that all versions are ready as soon as they can answer.
    const further = Effect.timeoutOption(noFirstLoading.await, furtherInstancesAfter)
    for (let slot = 1; slot < plan.instances; slot++) yield* Effect.forkScoped(Effect.andThen(further, supervise(slot)))

    const hosted: HostedModel = {
      signature,
      seeds,
      probes,
      instances: () => living,
      onChange: (listen) => {
        listener = listen
      }
    }
    return hosted
  })
}

export class ModelHost extends Context.Service<ModelHost, {
  /** Loads a version's instances; returns when the first is warm. They are released with the scope. */
  readonly open: (
    spec: LoadSpec,
    plan: ThreadPlan,
    options: OpenOptions
  ) => Effect.Effect<HostedModel, LoadFailed, Scope.Scope>
}>()("sluice/core/ModelHost") {
  static readonly layer = Layer.effect(
    ModelHost,
    Effect.gen(function*() {
      return ModelHost.of({ open: openOn(yield* WorkerPool, yield* Metrics) })
    })
  )
}
