/**
 * Opens the queues of model versions: gives the plain queue its clock, timers, log and spans, and closes it with its scope.
 */
import { modelId } from "@sluice/domain/Ids"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { HostedModel } from "../execution/HostedModel.ts"
import { monotonicReader } from "../Monotonic.ts"
import { makeBoundedLog } from "../telemetry/BoundedLog.ts"
import { withBatchSpan } from "../telemetry/Spans.ts"
import { BatchQueue } from "./BatchQueue.ts"
import { makeBatchRun } from "./BatchRun.ts"
import type { QueueOptions, QueueRuntime } from "./QueueOptions.ts"

const open = Effect.fnUntraced(function*(hosted: HostedModel, options: QueueOptions) {
  const { model, padding, version } = options
  const runFork = Effect.runForkWith(yield* Effect.context<never>())
  const random = yield* Random.Random
  const id = modelId(model, version)
  const log = yield* makeBoundedLog
  const runtime: QueueRuntime = {
    now: yield* monotonicReader,
    schedule: (delayMs, wake) => {
      const fiber = runFork(Effect.andThen(Effect.sleep(delayMs), Effect.sync(wake)))
      return () => fiber.interruptUnsafe()
    },
    random: () => random.nextDoubleUnsafe(),
    run: makeBatchRun({
      model,
      version,
      signature: hosted.signature,
      padding,
      report: (reason) =>
        log(
          "failed",
          Effect.logError(`${id} failed on a batch: ${reason}`),
          (count) => Effect.logError(`${id} failed on ${count} more batches, on the last one: ${reason}`)
        )
    }),
    traced: (spans, size, start) => {
      const batch = Effect.callback<void>((resume) => start(() => resume(Effect.void)))
      runFork(withBatchSpan("ModelHost.run", spans, { model, version, "batch.size": size })(batch))
    }
  }
  return yield* Effect.acquireRelease(
    Effect.sync(() => new BatchQueue(hosted, options, runtime)),
    (queue) => Effect.sync(() => queue.close())
  )
})

export class Batcher extends Context.Service<Batcher, {
  /** Opens the queue of a version over its instances. When the scope closes, callers without an answer are told so. */
  readonly open: (model: HostedModel, options: QueueOptions) => Effect.Effect<BatchQueue, never, Scope.Scope>
}>()("sluice/core/Batcher") {
  static readonly layer = Layer.succeed(Batcher, { open })
}
