/**
 * A model loaded on the event loop itself: for runs that take less time than the way to a worker and back.
 */
import { InstanceLost, ModelFailed } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { TensorMap } from "@sluice/domain/Tensor"
import type { Model, PluginError } from "@sluice/plugin-sdk/Plugin"
import { zeroRow } from "@sluice/plugin-sdk/TensorRows"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { monotonicReader } from "../Monotonic.ts"
import { makeBoundedLog } from "../telemetry/BoundedLog.ts"
import type { Instance, RunResult } from "./HostedModel.ts"
import { StopTimeout } from "./ModelWorker.ts"
import { countRun } from "./RunTime.ts"

export interface InlineOptions {
  readonly model: string
  readonly version: string
  /** Loads the model; it is released with the scope. */
  readonly load: Effect.Effect<Model, PluginError, Scope.Scope>
  /** Told what each batch took of the event loop, in milliseconds. */
  readonly ran: (rows: number, ms: number) => void
}

interface Waiting {
  readonly inputs: TensorMap
  readonly settle: (result: RunResult) => void
}

/** A caller whose instance was closed finds a worker at once. */
const replacementMs = 100

const rowsOf = (inputs: TensorMap): number => {
  for (const name in inputs) return inputs[name]!.shape[0] ?? 1
  return 1
}

const reasonOf = (cause: Cause.Cause<PluginError>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

/** Loads and warms the model in this thread. When the scope closes, it takes no more batches, and ends those it has. */
export const openInline = Effect.fnUntraced(function*({ load, model: name, ran, version }: InlineOptions) {
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const log = yield* makeBoundedLog
  const now = yield* monotonicReader
  const id = modelId(name, version)
  const stopTimeout = yield* StopTimeout
  const model = yield* load
  for (const batch of model.warmup ?? [zeroRow(model.signature)]) yield* model.run(batch)

  const waiting: Array<Waiting> = []
  let isOpen = true
  let isRunning = false
  const idle = Deferred.makeUnsafe<void>()
  const lost = Result.fail(new InstanceLost({ model: name, version, retryAfterMs: replacementMs }))

  const next = (): void => {
    const first = waiting.shift()
    isRunning = first !== undefined
    if (first !== undefined) start(first)
    else if (!isOpen) Deferred.doneUnsafe(idle, Effect.void)
  }

  const finish = ({ inputs, settle }: Waiting, exit: Exit.Exit<TensorMap, PluginError>, computeMs: number): void => {
    ran(rowsOf(inputs), computeMs)
    if (Exit.isSuccess(exit)) {
      settle(Result.succeed({ outputs: exit.value, computeMs }))
    } else {
      const reason = reasonOf(exit.cause)
      log(
        "failed",
        Effect.logError(`a batch of ${id} failed: ${reason}`),
        (count) => Effect.logError(`${count} more batches of ${id} failed, the last one: ${reason}`)
      )
      settle(Result.fail(new ModelFailed({ model: name, version })))
    }
    next()
  }

  const start = (batch: Waiting): void => {
    const counted = countRun(now)
    let hasReturned = false
    runFork(Effect.suspend(() => model.run(batch.inputs))).addObserver((exit) => {
      const computeMs = counted()
      if (hasReturned) finish(batch, exit, computeMs)
      // One batch a turn of the event loop, and none is settled before its `run` has returned.
      else setImmediate(finish, batch, exit, computeMs)
    })
    hasReturned = true
  }

  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isOpen = false
      // A run that never settles must not hold up the server's end.
      return isRunning ? Effect.ignore(Effect.timeoutOption(Deferred.await(idle), stopTimeout)) : Effect.void
    })
  )

  const instance: Instance = {
    alive: () => isOpen,
    inline: true,
    run: (inputs, settle) => {
      if (!isOpen) {
        setImmediate(settle, lost)
      } else if (isRunning) {
        waiting.push({ inputs, settle })
      } else {
        isRunning = true
        start({ inputs, settle })
      }
    }
  }
  return instance
})
