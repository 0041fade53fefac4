/**
 * What runs of an instance take here and now: for decisions that a start, with its noise, is too early for.
 */
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { monotonicReader } from "../Monotonic.ts"
import type { Instance } from "./HostedModel.ts"

/** Milliseconds; Infinity where a run failed. */
export interface TimedRun {
  /** In the plugin's `run`. */
  readonly computeMs: number
  /** To the instance and back, beside that. */
  readonly wayMs: number
}

const failed: TimedRun = { computeMs: Infinity, wayMs: Infinity }

/** Runs the rows once. */
export const timedRun = Effect.fnUntraced(function*(instance: Instance, inputs: TensorMap) {
  const now = yield* monotonicReader
  return yield* Effect.callback<TimedRun>((resume) => {
    const startedMs = now()
    // Buffers are moved away with a run.
    instance.run(structuredClone(inputs), (result) => {
      if (Result.isFailure(result)) return resume(Effect.succeed(failed))
      const { computeMs } = result.success
      resume(Effect.succeed({ computeMs, wayMs: now() - startedMs - computeMs }))
    })
  })
})

/** The least of so many runs, one after another: a noisy machine only ever makes them longer. */
export const leastOf = Effect.fnUntraced(function*(instance: Instance, inputs: TensorMap, runs: number) {
  const least = { ...failed }
  for (let run = 0; run < runs; run++) {
    const { computeMs, wayMs } = yield* timedRun(instance, inputs)
    least.computeMs = Math.min(least.computeMs, computeMs)
    least.wayMs = Math.min(least.wayMs, wayMs)
  }
  return least satisfies TimedRun
})
