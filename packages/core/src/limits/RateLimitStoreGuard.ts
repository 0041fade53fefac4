/**
 * A bound on what a store of limits may cost a call: it has a budget of time, and after a failure it is left alone for a
 * while and then asked by one call only, so that its absence does not cost every call the budget.
 */
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { type LimitTake, RateLimitStore, RateLimitStoreError, type Taken } from "./RateLimitStore.ts"

export interface RateLimitStoreBudget {
  /** How long a call waits for the store. */
  readonly operation: Duration.Input
  /** How long a store is not asked after it failed. */
  readonly rest: Duration.Input
}

export interface GuardOptions {
  readonly budget: RateLimitStoreBudget
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  readonly later: (delayMs: number, wake: () => void) => void
  /** Hears of each failure, but not of calls for which the store was not asked. */
  readonly failed: (reason: "slow" | "failed", cause: unknown) => void
}

type Outcome = Result.Result<Taken, RateLimitStoreError>

/** A call that waits for the store. */
interface Waiting {
  readonly deadlineMs: number
  isOver: boolean
  readonly end: (outcome: Outcome) => void
}

const slotKeysOf = (takes: ReadonlyArray<LimitTake>): ReadonlyArray<string> =>
  takes.filter(({ kind }) => kind === "slot").map(({ key }) => key)

const resting: Outcome = Result.fail(new RateLimitStoreError({ reason: "resting" }))

export const guarded = (store: RateLimitStore["Service"], options: GuardOptions): RateLimitStore["Service"] => {
  const { budget, failed, later, now } = options
  const budgetMs = Duration.toMillis(Duration.fromInputUnsafe(budget.operation))
  const restMs = Duration.toMillis(Duration.fromInputUnsafe(budget.rest))
  /** Set while the store is not trusted: when it may be asked again, and whether somebody is asking. */
  let distrust: { untilMs: number; isProbing: boolean } | undefined
  /** In the order of their deadlines, those that are over among them. One timer serves them all. */
  const waiting: Array<Waiting> = []
  let isWatched = false

  const watch = (): void => {
    const nowMs = now()
    for (let [oldest] = waiting; oldest !== undefined; [oldest] = waiting) {
      if (!oldest.isOver && oldest.deadlineMs > nowMs) return later(oldest.deadlineMs - nowMs, watch)
      waiting.shift()
      if (!oldest.isOver) oldest.end(Result.fail(new RateLimitStoreError({ reason: "slow" })))
    }
    isWatched = false
  }

  const learn = (outcome: Outcome): void => {
    if (Result.isSuccess(outcome)) {
      distrust = undefined
      return
    }
    distrust = { untilMs: now() + restMs, isProbing: false }
    failed(outcome.failure.reason === "slow" ? "slow" : "failed", outcome.failure.cause)
  }

  return RateLimitStore.of({
    take: (takes, lease, answer) => {
      const nowMs = now()
      if (distrust !== undefined) {
        if (distrust.isProbing || nowMs < distrust.untilMs) return answer(resting)
        distrust.isProbing = true
      }
      const call: Waiting = {
        deadlineMs: nowMs + budgetMs,
        isOver: false,
        end: (outcome) => {
          call.isOver = true
          learn(outcome)
          answer(outcome)
        }
      }
      waiting.push(call)
      if (!isWatched) {
        isWatched = true
        later(budgetMs, watch)
      }
      store.take(takes, lease, (outcome) => {
        if (!call.isOver) return call.end(outcome)
        if (Result.isFailure(outcome)) return
        // Too late for the call, which went on without and holds no slot; but the store answers again.
        distrust = undefined
        if (outcome.success.allowed) store.release(slotKeysOf(takes), lease)
      })
    },
    release: store.release,
    renew: store.renew
  })
}
