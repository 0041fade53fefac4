/**
 * Whether and when a call that failed is made again. The decision is pure; the loop around it only waits.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { PullFailed } from "./StoreErrors.ts"

/** In a row, without a step further. */
const mostFailures = 5
/** In bytes: less than that between two failures leads to no end in any useful time. */
const stepBytes = 1024 * 1024
const firstWaitMs = 250
const longestWaitMs = 10_000
/** A server that asks for a longer wait is taken by its word, and not waited for. */
const longestAskedMs = 60_000

/** How long to wait before the next attempt after this many failures in a row, or why there is none. `random`: 0 to 1. */
export const waitBefore = (error: PullFailed, failures: number, random: number): number | PullFailed => {
  if (error.transient !== true) return error
  const { retryAfterMs } = error
  if (retryAfterMs !== undefined && retryAfterMs > longestAskedMs) {
    return new PullFailed({
      kind: error.kind,
      reason: `${error.reason}; it asks to come again in ${Math.ceil(retryAfterMs / 1000)} s: do that`,
      cause: error
    })
  }
  if (failures >= mostFailures) {
    return new PullFailed({
      kind: error.kind,
      reason:
        `${error.reason} (${failures} times in a row, with little or nothing more each time): what has come is kept, pull again to go on from there`,
      cause: error
    })
  }
  const doubled = Math.min(longestWaitMs, firstWaitMs * 2 ** (failures - 1))
  return Math.max(retryAfterMs ?? 0, doubled * (0.5 + random / 2))
}

/** Makes the attempt until it succeeds or need not be made again; failures count anew for each MiB that `reached` grows. */
export const persistently = <A, R>(
  attempt: Effect.Effect<A, PullFailed, R>,
  reached: () => number = () => 0
): Effect.Effect<A, PullFailed, R> =>
  Effect.suspend(() => {
    let failures = 0
    let counted = reached()
    const again: (error: PullFailed) => Effect.Effect<A, PullFailed, R> = Effect.fnUntraced(function*(error) {
      const now = reached()
      const isFurther = now >= counted + stepBytes
      failures = isFurther ? 1 : failures + 1
      if (isFurther) counted = now
      const wait = waitBefore(error, failures, yield* Random.next)
      if (typeof wait !== "number") return yield* wait
      yield* Effect.sleep(wait)
      return yield* Effect.catch(attempt, again)
    })
    return Effect.catch(attempt, again)
  })

/** `Retry-After` in milliseconds: seconds, or a date. https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
export const retryAfterMs = (header: string | undefined, nowMs: number): number | undefined => {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs)
}
