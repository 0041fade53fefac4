/**
 * Runs the instances of model versions in workers and keeps them alive: one that dies is replaced, its caller told.
 */
import { InstanceLost, ModelFailed } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { Metrics } from "../telemetry/Metrics.ts"
import type { ThreadPlan } from "./ThreadPlan.ts"
import { WorkerPool } from "./WorkerPool.ts"
import type { LoadSpec } from "./WorkerProtocol.ts"
import { type CallError, type Ran, WorkerLost } from "./WorkerThread.ts"

/** The first instance of a version could not be loaded. `reason` is for operators. */
export class LoadFailed extends Data.TaggedError("LoadFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** An instance that is loaded, warm, and computes nothing now. Whoever holds it runs one batch and gives it back. */
export interface Instance {
  readonly alive: () => boolean
  /** Computes one batch off the event loop. The inputs' buffers are moved away. */
  readonly run: (inputs: TensorMap) => Effect.Effect<Ran, ModelFailed | InstanceLost>
}

export interface HostedModel {
  readonly signature: ModelSignature
  /** Waits for an idle instance. */
  readonly acquire: Effect.Effect<Instance>
  readonly giveBack: (instance: Instance) => Effect.Effect<void>
}

/** The first restart comes after 100 ms, each further one after twice the time, until an instance lives for 30 s. */
export const restartDelayMs = (restarts: number): number => Math.min(10_000, 100 * 2 ** restarts)
const healthyAfterMs = 30_000
/** How long a caller whose instance ended is told to wait: about a reload. */
const replacementMs = 500

/** How long further instances give way to the first ones of other versions. */
const furtherInstancesAfter = "2 seconds"

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
  return Effect.fnUntraced(function*(spec: LoadSpec, plan: ThreadPlan) {
    const { model, version } = spec
    const idle = yield* Queue.unbounded<Instance>()
    const first = yield* Deferred.make<ModelSignature, LoadFailed>()
    // Versions of one plugin share a worker for each instance number, so that together they use no more threads.
    const workerOf = (slot: number) => plan.shareWorker ? pool.shared(`${spec.pluginUrl}#${slot}`) : pool.dedicated

    const toCallerError = (error: CallError) =>
      Effect.andThen(
        Effect.logError(`a batch of ${modelId(model, version)} failed: ${error.reason}`),
        Effect.fail(
          error._tag === "WorkerLost"
            ? new InstanceLost({ model, version, retryAfterMs: replacementMs })
            : new ModelFailed({ model, version })
        )
      )

    /** One life of an instance: from starting its worker to that worker's end. Fails if it does not even load. */
    const live = Effect.fnUntraced(function*(slot: number) {
      const thread = yield* workerOf(slot)
      const id = instances++
      let released = false
      // A worker of its own ends with the instance, and releases what it holds.
      yield* Effect.addFinalizer(() => {
        released = true
        return plan.shareWorker ? thread.release(id) : Effect.void
      })
      const signature = yield* thread.load(id, { ...spec, threads: plan.threads })
      const run = (inputs: TensorMap) =>
        released ? Effect.fail(new WorkerLost({ reason: "its version was closed" })) : thread.run(id, inputs)
      yield* Queue.offer(idle, {
        alive: () => !released && thread.alive(),
        run: (inputs) => Effect.catch(Effect.suspend(() => run(inputs)), toCallerError)
      })
      yield* Deferred.succeed(first, signature)
      return yield* thread.ended
    }, Effect.scoped)

    /** Starts an instance again whenever it ends, unless the version never loaded at all. */
    const supervise = Effect.fnUntraced(function*(slot: number) {
      let restarts = 0
      while (true) {
        const started = yield* Clock.currentTimeMillis
        const reason = yield* Effect.catchCause(live(slot), (cause) => Effect.succeed(sentence(Cause.squash(cause))))
        const lived = (yield* Clock.currentTimeMillis) - started
        if (yield* Deferred.fail(first, new LoadFailed({ reason }))) return
        restarts = lived >= healthyAfterMs ? 0 : restarts
        const delay = restartDelayMs(restarts++)
        metrics.workerRestarted(model, version)
        yield* Effect.logWarning(`an instance of ${modelId(model, version)} ended: ${reason}. Restart in ${delay} ms`)
        yield* Effect.sleep(delay)
      }
    })

    yield* Effect.forkScoped(supervise(0))
    const signature = yield* asFirst(Deferred.await(first))
    // The others load while the first already serves, so that all versions are ready as soon as they can answer.
    const further = Effect.timeoutOption(noFirstLoading.await, furtherInstancesAfter)
    for (let slot = 1; slot < plan.instances; slot++) yield* Effect.forkScoped(Effect.andThen(further, supervise(slot)))

    const acquire: Effect.Effect<Instance> = Effect.flatMap(
      Queue.take(idle),
      (instance) => instance.alive() ? Effect.succeed(instance) : acquire
    )
    const giveBack = (instance: Instance) => instance.alive() ? Queue.offer(idle, instance) : Effect.void
    return { signature, acquire, giveBack }
  })
}

export class ModelHost extends Context.Service<ModelHost, {
  /** Loads a version's instances; returns when the first is warm. They are released with the scope. */
  readonly open: (spec: LoadSpec, plan: ThreadPlan) => Effect.Effect<HostedModel, LoadFailed, Scope.Scope>
}>()("sluice/core/ModelHost") {
  static readonly layer = Layer.effect(
    ModelHost,
    Effect.gen(function*() {
      return ModelHost.of({ open: openOn(yield* WorkerPool, yield* Metrics) })
    })
  )
}
