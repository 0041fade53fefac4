/**
 * Tells the other processes how the circuits of this one stand, and hears of theirs: aside from all calls, every half second
 * and whenever there is something to tell. What could not be told is told when that is possible again.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { BoundedLog } from "../telemetry/BoundedLog.ts"
import type { CircuitNews, CircuitPeer, CircuitSharingError, ProbeClaim } from "./CircuitSharing.ts"
import type { CircuitChange } from "./CircuitStore.ts"

/** How often the others are heard, in milliseconds. */
const hearEveryMs = 500

/** How long a call that would probe waits to be told that it may; then it may. */
const claimBudgetMs = 200

interface Opened {
  readonly state: "open"
  readonly untilMs: number
}
type Untold = Opened | { readonly state: "closed" } | { readonly state: "ignored" }

export const makeCircuitExchange = Effect.fnUntraced(function*(
  peer: CircuitPeer,
  now: () => number,
  log: BoundedLog
) {
  const something = yield* Latch.make(false)
  /** By key, the last of it only. */
  const untold = new Map<string, Untold>()
  const tell = (key: string, news: Untold): void => {
    untold.set(key, news)
    something.openUnsafe()
  }

  const say = (key: string, news: Untold) => {
    if (news.state === "ignored") return peer.releaseProbe(key)
    return peer.publish(
      news.state === "open"
        ? { key, state: "open", openForMs: Math.max(0, news.untilMs - now()) }
        : { key, state: "closed" }
    )
  }

  const tellAll = Effect.gen(function*() {
    for (const [key, news] of untold) {
      yield* say(key, news)
      if (untold.get(key) === news) untold.delete(key)
    }
  })

  /** Each process goes on by itself meanwhile. That the connection is lost, the connection says in the log. */
  const unheard = (error: CircuitSharingError): Effect.Effect<void> => {
    const { message, reason } = error
    if (reason === "failed") return Effect.logDebug(message, error.cause)
    return Effect.sync(() =>
      log("refused", Effect.logWarning(message), (count) => Effect.logWarning(`${message}; ${count} more times`))
    )
  }

  return {
    /** A circuit of this process changed by what it found out itself. */
    changed: ({ isOwn, key, retryAfterMs, to }: CircuitChange): void => {
      if (!isOwn || to === "half_open") return
      tell(key, to === "open" ? { state: "open", untilMs: now() + retryAfterMs } : { state: "closed" })
    },
    probeIgnored: (key: string): void => tell(key, { state: "ignored" }),
    claimProbe: (key: string): Effect.Effect<ProbeClaim> =>
      peer.claimProbe(key).pipe(
        Effect.timeoutOrElse({
          duration: claimBudgetMs,
          orElse: () => Effect.succeed<ProbeClaim>({ _tag: "Granted" })
        }),
        Effect.catch((error) => Effect.as(unheard(error), { _tag: "Granted" as const }))
      ),
    /** Runs for as long as the process. */
    run: (hear: (news: CircuitNews) => Effect.Effect<void>) =>
      Effect.gen(function*() {
        yield* something.close
        yield* tellAll
        yield* Effect.forEach(yield* peer.changes, hear, { discard: true })
      }).pipe(
        Effect.catch((error) => Effect.andThen(unheard(error), Effect.sleep(hearEveryMs))),
        Effect.andThen(Effect.timeoutOption(something.await, hearEveryMs)),
        Effect.forever
      )
  }
})
