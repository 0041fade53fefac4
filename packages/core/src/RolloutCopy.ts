/**
 * Computes a copy of a request by another version, for nobody but the comparison: at the lowest priority, kept in no cache,
 * told to no metrics of requests and to no circuit.
 */
import * as Result from "effect/Result"
import { type InferCall, inferResult, mergeRows, rowsOf, submissionOf, uncached } from "./InferCall.ts"
import type { Answered, InferRequest } from "./InferRequest.ts"
import { encodeUnit, unitsOf } from "./ItemCodec.ts"
import type { ServedVersion } from "./registry/ServedVersion.ts"

/** `done` is called once, with what the version made of it and how long that took, in milliseconds. */
export type ComputeCopy = (
  request: InferRequest,
  version: ServedVersion,
  done: (answered: Answered, tookMs: number) => void
) => void

/** `now`: monotonic, in milliseconds. */
export const copyComputer = (now: () => number): ComputeCopy => (request, version, done) => {
  const startedMs = now()
  const call: InferCall = {
    request: { ...request, priority: "low", cache: "bypass" },
    version,
    startedMs,
    timeoutMs: version.plan.timeoutMs,
    timings: { cache: 0, encode: 0, queue: 0, compute: 0 },
    monitor: undefined
  }
  version.use.enter(startedMs)
  const end = (answered: Answered): void => {
    version.use.leave()
    done(answered, now() - startedMs)
  }
  const units = unitsOf(version, request.input)
  if (Result.isFailure(units)) return end(Result.fail(units.failure))
  const encoded = units.success.map((unit) => encodeUnit(version, unit))
  const submitted = version.queue.submit(
    submissionOf(call, rowsOf(encoded), undefined),
    (outcome) => end(Result.map(outcome, (rows) => inferResult(call, uncached(mergeRows(call, encoded, rows)), now)))
  )
  if (Result.isFailure(submitted)) end(Result.fail(submitted.failure))
}
