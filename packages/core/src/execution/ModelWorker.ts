/**
 * One worker with instances of models, for as long as its scope: calls go in, answers come back, and every call settles
 * even if the worker dies or hangs.
 */
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { monotonicReader } from "../Monotonic.ts"
import type { Ran } from "./HostedModel.ts"
import { logLine } from "./PluginLog.ts"
import type { StartLink } from "./WorkerLink.ts"
import { type FromWorker, type LoadedModel, type LoadSpec, toTransferable, type ToWorker } from "./WorkerProtocol.ts"

/** The plugin said no, or threw. */
export class PluginCallFailed extends Data.TaggedError("PluginCallFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** The worker ended, or was given up, before it answered. */
export class WorkerLost extends Data.TaggedError("WorkerLost")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

export type CallError = PluginCallFailed | WorkerLost

export type SettleRun = (result: Result.Result<Ran, CallError>) => void

export interface ModelWorker {
  /** Loads and warms a model; measures it, if asked to. */
  readonly load: (instance: number, spec: LoadSpec, measure: boolean) => Effect.Effect<LoadedModel, CallError>
  /**
   * Computes a batch after those that the instance was given before. Moves the inputs' buffers to the worker: the caller
   * may not use them afterwards. `settle` is called once, after `run` has returned. A run that takes longer than
   * `timeoutMs`, counted from when it is the oldest that the worker has not answered, costs the worker its place.
   */
  readonly run: (instance: number, inputs: TensorMap, timeoutMs: number, settle: SettleRun) => void
  /** Waits until the instance is released, but not for ever for one that computes. */
  readonly release: (instance: number) => Effect.Effect<void>
  /** False from when its end is known, or it is given up. */
  readonly alive: () => boolean
  /** Whether it has ended: one that was given up may compute on. */
  readonly gone: () => boolean
  /** Calls the listener when the worker is no longer alive, before the runs that it had are settled. */
  readonly onLost: (listener: () => void) => void
  /** Settles when the worker is no longer alive, with why. */
  readonly lost: Effect.Effect<string>
}

type Call<M> = M extends { readonly call: number } ? Omit<M, "call"> : never
type Answer = Exclude<FromWorker, { readonly _tag: "Log" }>

interface PendingRun {
  readonly settle: SettleRun
  readonly timeoutMs: number
}

const failureOf = (answer: Answer) =>
  new PluginCallFailed({ reason: answer._tag === "Failed" ? answer.reason : `unexpected answer ${answer._tag}` })

/** How long a worker may go on computing after it was told to stop, before it is ended whatever it does. */
export const StopTimeout = Context.Reference<Duration.Duration>("sluice/core/WorkerStopTimeout", {
  defaultValue: () => Duration.seconds(10)
})
/** How long to wait for the release of an instance, which follows what its worker computes in any case. */
const releaseTimeout = "2 seconds"
/** How often a busy worker is looked at, at least. */
const watchMs = 1000

/** Starts a worker and takes charge of it; it is ended with the scope, but for a thread that was given up. */
export const make = Effect.fnUntraced(
  function*(start: StartLink): Effect.fn.Return<ModelWorker, never, Scope.Scope> {
    const runFork = Effect.runForkWith(yield* Effect.context<never>())
    const now = yield* monotonicReader
    const stopTimeout = yield* StopTimeout
    const lost = yield* Deferred.make<string>()
    const ended = yield* Deferred.make<void>()
    const listeners = new Set<() => void>()
    const calls = new Map<number, (answer: Effect.Effect<Answer, CallError>) => void>()
    /** In the order that they were sent. */
    const runs = new Map<number, PendingRun>()
    let next = 0
    let oldest = -1
    /** Since when the oldest run is the oldest. */
    let oldestSince = 0
    let watcher: Fiber.Fiber<void> | undefined
    let reasonLost: string | undefined
    let gone = false
    let label: { readonly model: string; readonly version: string } = { model: "", version: "" }

    const lose = (reason: string): void => {
      if (reasonLost !== undefined) return
      reasonLost = reason
      for (const listener of listeners) listener()
      const error = new WorkerLost({ reason })
      for (const { settle } of runs.values()) settle(Result.fail(error))
      for (const settle of calls.values()) settle(Effect.fail(error))
      runs.clear()
      calls.clear()
      Deferred.doneUnsafe(lost, Effect.succeed(reason))
    }

    const link = start({
      onMessage: (message) => {
        if (message._tag === "Log") {
          runFork(logLine(message))
          return
        }
        const { call } = message
        const run = runs.get(call)
        if (run === undefined) {
          const settle = calls.get(call)
          calls.delete(call)
          settle?.(Effect.succeed(message))
          return
        }
        runs.delete(call)
        if (call === oldest) nextOldest()
        run.settle(message._tag === "Ran" ? Result.succeed(message) : Result.fail(failureOf(message)))
      },
      onUnreadable: (reason) => giveUp(`an answer of the worker cannot be read: ${reason}`),
      onLine: (message) => runFork(logLine({ level: "warn", message, ...label })),
      onEnd: (reason) => {
        gone = true
        Deferred.doneUnsafe(ended, Effect.void)
        lose(reason)
      }
    })

    const nextOldest = (): void => {
      if (runs.size === 0) return
      const [first] = runs.keys()
      oldest = first ?? -1
      oldestSince = now()
    }
    /** Asks it to end itself when it is idle: a thread that is ended inside onnxruntime takes the whole process along. */
    const stop = () => link.post({ _tag: "Stop", call: next++, instance: 0 }, [])
    const giveUp = (reason: string): void => {
      if (reasonLost !== undefined) return
      if (link.killable) link.kill()
      else stop()
      lose(reason)
    }

    /** How long, in ms, the oldest run may still take; undefined where there is none. */
    const remainingMs = (): number | undefined => {
      const run = runs.get(oldest)
      return run === undefined ? undefined : run.timeoutMs - (now() - oldestSince)
    }
    /** Lasts as long as there are runs, so that neither a run nor an idle worker has a timer of its own. */
    const watch = Effect.gen(function*() {
      for (let remaining = remainingMs(); remaining !== undefined; remaining = remainingMs()) {
        if (remaining <= 0) giveUp(`a run took longer than its run_timeout of ${runs.get(oldest)?.timeoutMs} ms`)
        else yield* Effect.sleep(Math.min(remaining, watchMs))
      }
      watcher = undefined
    })

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        watcher?.interruptUnsafe()
        if (gone) return Effect.void
        // A thread that was given up ends by itself when it comes back, and with the process if it never does.
        if (reasonLost !== undefined && !link.killable) return Effect.void
        if (reasonLost === undefined) stop()
        return Effect.interruptible(Deferred.await(ended)).pipe(
          Effect.timeoutOrElse({
            duration: stopTimeout,
            orElse: () => Effect.andThen(Effect.sync(link.kill), Deferred.await(ended))
          })
        )
      })
    )

    const call = (message: Call<Exclude<ToWorker, { readonly _tag: "Run" }>>) =>
      Effect.callback<Answer, CallError>((resume) => {
        if (reasonLost !== undefined) return resume(Effect.fail(new WorkerLost({ reason: reasonLost })))
        const number = next++
        calls.set(number, resume)
        try {
          link.post({ ...message, call: number }, [])
        } catch (cause) {
          calls.delete(number)
          resume(Effect.fail(new PluginCallFailed({ reason: `it cannot be sent to the worker: ${String(cause)}` })))
        }
      })

    return {
      load: Effect.fnUntraced(function*(instance, spec, measure) {
        label = { model: spec.model, version: spec.version }
        const answer = yield* call({ _tag: "Load", instance, spec, measure })
        if (answer._tag === "Loaded") return answer
        return yield* failureOf(answer)
      }),
      run: (instance, inputs, timeoutMs, settle) => {
        const later = (error: CallError): void => queueMicrotask(() => settle(Result.fail(error)))
        if (reasonLost !== undefined) return later(new WorkerLost({ reason: reasonLost }))
        const { buffers, tensors } = toTransferable(inputs)
        const number = next++
        try {
          link.post({ _tag: "Run", call: number, instance, inputs: tensors }, buffers)
        } catch (cause) {
          return later(new PluginCallFailed({ reason: `the inputs cannot be moved to the worker: ${String(cause)}` }))
        }
        runs.set(number, { settle, timeoutMs })
        if (runs.size === 1) nextOldest()
        watcher ??= runFork(watch)
      },
      release: (instance) =>
        call({ _tag: "Release", instance }).pipe(
          Effect.interruptible,
          Effect.timeoutOption(releaseTimeout),
          Effect.ignore
        ),
      alive: () => reasonLost === undefined,
      gone: () => gone,
      onLost: (listener) => {
        listeners.add(listener)
      },
      lost: Deferred.await(lost)
    }
  },
  // A worker that has started is in the scope's hands, whatever happens to who started it.
  Effect.uninterruptible
)
