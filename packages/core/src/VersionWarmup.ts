/**
 * One row of zeros through a version's queue and instance, as a request would go: what an operator asks for.
 */
import type { InferenceError } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { VersionState } from "@sluice/domain/ModelInfo"
import { zeroRow } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { RowResult } from "./batching/Submission.ts"
import type { ModelRegistry } from "./registry/ModelRegistry.ts"

export interface WarmedUp {
  readonly model_id: string
  readonly state: VersionState
  readonly latency_ms: number
}

/** `now` is monotonic, in milliseconds. */
export const makeWarmup = (registry: ModelRegistry["Service"], now: () => number) =>
  Effect.fnUntraced(function*(model: string, version: string | undefined) {
    const served = yield* registry.get(model, version)
    const { entry, timeoutMs } = served.plan
    const startedMs = now()
    const rows = [{ inputs: zeroRow(served.signature), cost: 1 }]
    served.use.enter(startedMs)
    const [row] = yield* Effect.callback<ReadonlyArray<RowResult>, InferenceError>((resume) => {
      const submitted = served.queue.submit({
        rows,
        priority: "low",
        deadlineMs: startedMs + timeoutMs,
        timeoutMs,
        consistent: true,
        span: undefined
      }, (outcome) => resume(Effect.fromResult(outcome)))
      if (Result.isSuccess(submitted)) return Effect.sync(submitted.success)
      resume(Effect.fail(submitted.failure))
    }).pipe(Effect.ensuring(Effect.sync(() => served.use.leave())))
    if (row !== undefined) yield* Effect.fromResult(row)
    return {
      model_id: modelId(entry.model, entry.version),
      state: "ready" as const,
      latency_ms: now() - startedMs
    }
  })
