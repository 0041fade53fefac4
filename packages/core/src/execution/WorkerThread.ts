/**
 * One worker thread, for as long as its scope: calls go in, answers come back, and every call settles even if it dies.
 */
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Worker } from "node:worker_threads"
import { logLine } from "./PluginLog.ts"
import { type FromWorker, type LoadSpec, toTransferable, type ToWorker } from "./WorkerProtocol.ts"

/** The plugin said no, or threw. */
export class PluginCallFailed extends Data.TaggedError("PluginCallFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/** The worker ended before it answered. */
export class WorkerLost extends Data.TaggedError("WorkerLost")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

export type CallError = PluginCallFailed | WorkerLost

export interface Ran {
  readonly outputs: TensorMap
  /** Time in the plugin's `run`, in milliseconds. */
  readonly computeMs: number
}

export interface WorkerThread {
  readonly id: number
  readonly load: (instance: number, spec: LoadSpec) => Effect.Effect<ModelSignature, CallError>
  /** Moves the inputs' buffers to the worker: the caller may not use them afterwards. */
  readonly run: (instance: number, inputs: TensorMap) => Effect.Effect<Ran, CallError>
  /** Waits until the instance is released, but not for ever for one that computes. */
  readonly release: (instance: number) => Effect.Effect<void>
  readonly alive: () => boolean
  /** Settles when the thread has ended, with why. */
  readonly ended: Effect.Effect<string>
}

type Answer = Exclude<FromWorker, { readonly _tag: "Log" }>
type Settle = (answer: Effect.Effect<Answer, CallError>) => void
/** A message but for its call number; distributes over the union. */
type Call<M> = M extends { readonly call: number } ? Omit<M, "call"> : never

const unexpected = (answer: Answer) =>
  new PluginCallFailed({ reason: answer._tag === "Failed" ? answer.reason : `unexpected answer ${answer._tag}` })

/** How long a thread may go on computing after it was told to stop, before it is ended whatever it does. */
export const StopTimeout = Context.Reference<Duration.Duration>("sluice/core/WorkerStopTimeout", {
  defaultValue: () => Duration.seconds(10)
})
/** How long to wait for the release of an instance, which follows what its worker computes in any case. */
const releaseTimeout = "2 seconds"

/** Takes charge of a worker thread that runs `WorkerMain.ts`; it is ended with the scope. */
export const make = Effect.fnUntraced(
  function*(start: () => Worker): Effect.fn.Return<WorkerThread, never, Scope.Scope> {
    const context = yield* Effect.context<never>()
    const runFork = Effect.runForkWith(context)
    const stopTimeout = yield* StopTimeout
    const ended = yield* Deferred.make<string>()
    const waiting = new Map<number, Settle>()
    let calls = 0
    let lost: string | undefined

    const worker = start()

    const end = (reason: string): void => {
      if (lost !== undefined) return
      lost = reason
      for (const settle of waiting.values()) settle(Effect.fail(new WorkerLost({ reason })))
      waiting.clear()
      Deferred.doneUnsafe(ended, Effect.succeed(reason))
    }
    worker.on("message", (message: FromWorker) => {
      if (message._tag === "Log") {
        runFork(logLine(message))
        return
      }
      const settle = waiting.get(message.call)
      waiting.delete(message.call)
      settle?.(Effect.succeed(message))
    })
    worker.on("error", (error) => end(error instanceof Error ? error.message : String(error)))
    worker.on("exit", (code) => end(`the worker ended with code ${code}`))
    // Asked to end itself, because a thread that is ended inside onnxruntime takes the whole process along.
    const stop = () => worker.postMessage({ _tag: "Stop", call: calls++, instance: 0 } satisfies ToWorker)
    worker.on("messageerror", (error) => {
      // Whose answer it was, the message would have said.
      end(`an answer of the worker cannot be read: ${error.message}`)
      stop()
    })
    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        if (lost !== undefined) return Effect.void
        stop()
        return Effect.interruptible(Deferred.await(ended)).pipe(
          Effect.timeoutOrElse({
            duration: stopTimeout,
            orElse: () => Effect.promise(() => worker.terminate())
          })
        )
      })
    )

    const call = (message: Call<ToWorker>, transfer: ReadonlyArray<ArrayBuffer> = []) =>
      Effect.callback<Answer, CallError>((resume) => {
        if (lost !== undefined) return resume(Effect.fail(new WorkerLost({ reason: lost })))
        const number = calls++
        waiting.set(number, resume)
        try {
          worker.postMessage({ ...message, call: number }, [...transfer])
        } catch (cause) {
          waiting.delete(number)
          resume(
            Effect.fail(new PluginCallFailed({ reason: `the inputs cannot be moved to the worker: ${String(cause)}` }))
          )
        }
      })

    return {
      id: worker.threadId,
      load: Effect.fnUntraced(function*(instance, spec) {
        const answer = yield* call({ _tag: "Load", instance, spec })
        if (answer._tag === "Loaded") return answer.signature
        return yield* unexpected(answer)
      }),
      run: Effect.fnUntraced(function*(instance, inputs) {
        const { buffers, tensors } = toTransferable(inputs)
        const answer = yield* call({ _tag: "Run", instance, inputs: tensors }, buffers)
        if (answer._tag === "Ran") return answer
        return yield* unexpected(answer)
      }),
      release: (instance) =>
        call({ _tag: "Release", instance }).pipe(
          Effect.interruptible,
          Effect.timeoutOption(releaseTimeout),
          Effect.ignore
        ),
      alive: () => lost === undefined,
      ended: Deferred.await(ended)
    }
  },
  // A thread that has started is in the scope's hands, whatever happens to who started it.
  Effect.uninterruptible
)
