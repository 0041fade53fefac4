/**
 * Runs batches on the instances of a loaded model, one after another or all at the same time, and times them.
 */
import type { TensorMap } from "@sluice/domain/Tensor"
import { stackRows } from "@sluice/plugin-sdk/TensorRows"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Instance, ProbeRow, RunError } from "../execution/HostedModel.ts"
import { monotonicReader } from "../Monotonic.ts"

/** A lone batch is run at least so often, and no longer than this unless it takes longer. */
const aloneRuns = { least: 3, most: 30, forMs: 40 }
/** All instances compute for at least this long, and at least so many batches each. */
const togetherForMs = 60
const togetherRuns = 3
/** The best of so many is what the layout can do: the machine only ever holds it up. */
const togetherTries = 2
/** An instance is given its next batch while it computes one, as the Batcher does. */
const ahead = 2

/** A batch of so many equal rows, in buffers of its own: they are moved to the worker. */
export const batchOf = ({ inputs }: ProbeRow, rows: number): TensorMap => {
  if (rows > 1) return stackRows(Array.from({ length: rows }, () => inputs))
  return Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]) => [
      name,
      ArrayBuffer.isView(tensor.data) ? { ...tensor, data: tensor.data.slice() } : tensor
    ])
  )
}

/** The least time that one batch takes while nothing else computes, in milliseconds. */
export const timeAlone = Effect.fnUntraced(function*(instance: Instance, row: ProbeRow, rows: number) {
  const now = yield* monotonicReader
  const started = now()
  let least = Infinity
  for (let run = 0; run < aloneRuns.most; run++) {
    if (run >= aloneRuns.least && now() - started > aloneRuns.forMs) break
    const inputs = batchOf(row, rows)
    const from = now()
    yield* Effect.callback<void, RunError>((resume) =>
      instance.run(inputs, (result) => resume(Result.isFailure(result) ? Effect.fail(result.failure) : Effect.void))
    )
    least = Math.min(least, now() - from)
  }
  return least
})

/** Items a second of all instances together, each of which has its next batch when it has done one. */
export const rateTogether = Effect.fnUntraced(
  function*(instances: ReadonlyArray<Instance>, row: ProbeRow, rows: number, aloneMs: number) {
    const now = yield* monotonicReader
    const forMs = Math.max(togetherForMs, togetherRuns * aloneMs)
    const ofInstance = (instance: Instance) =>
      Effect.callback<number, RunError>((resume) => {
        const started = now()
        let given = 0
        let done = 0
        const give = (): void => {
          given++
          instance.run(batchOf(row, rows), (result) => {
            if (Result.isFailure(result)) return resume(Effect.fail(result.failure))
            done++
            const elapsed = now() - started
            if (elapsed < forMs || given < togetherRuns) give()
            // What it was given ahead is part of the time, so it is waited for and counted.
            else if (done === given) resume(Effect.succeed(done * rows * 1000 / elapsed))
          })
        }
        for (let i = 0; i < ahead; i++) give()
      })
    let best = 0
    for (let run = 0; run < togetherTries; run++) {
      const rates = yield* Effect.all(instances.map(ofInstance), { concurrency: "unbounded" })
      best = Math.max(best, rates.reduce((sum, rate) => sum + rate, 0))
    }
    return best
  }
)
