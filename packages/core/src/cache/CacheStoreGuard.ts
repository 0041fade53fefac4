/**
 * A bound on what a store may cost: each operation has a budget of time, and a store that failed is left alone for a while
 * and then asked by one caller only, so that its absence does not cost every request the budget.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { monotonicMs } from "../Monotonic.ts"
import { type CacheOperation, type CacheStore, CacheStoreError } from "./CacheStore.ts"

export interface CacheStoreBudget {
  /** How long a lookup or a write may take. */
  readonly operation: Duration.Input
  /** How long what an operator asks for may take: to clear, to count. */
  readonly scan: Duration.Input
  /** How long a store is not asked after it failed. */
  readonly rest: Duration.Input
}

export const defaultCacheStoreBudget: CacheStoreBudget = {
  operation: "50 millis",
  scan: "10 seconds",
  rest: "1 second"
}

/** Fails as `slow` when the time is over. */
const within =
  (operation: CacheOperation, duration: Duration.Duration) =>
  <A>(effect: Effect.Effect<A, CacheStoreError>): Effect.Effect<A, CacheStoreError> =>
    Effect.raceFirst(
      effect,
      // A reply that came while the event loop was busy lies in the socket: one more turn reads it before time is called.
      Effect.sleep(duration).pipe(
        Effect.andThen(Effect.yieldNow),
        Effect.andThen(Effect.fail(new CacheStoreError({ operation, reason: "slow" })))
      )
    )

/** The store, within its budget. */
export const guarded = (store: CacheStore["Service"], budget: CacheStoreBudget): CacheStore["Service"] => {
  const operationBudget = Duration.fromInputUnsafe(budget.operation)
  const scanBudget = Duration.fromInputUnsafe(budget.scan)
  const restMs = Duration.toMillis(Duration.fromInputUnsafe(budget.rest))
  /** Set while the store is not trusted: when it may be asked again, and whether somebody is asking. */
  let distrust: { until: number; probing: boolean } | undefined

  const guard = <A>(operation: CacheOperation, effect: Effect.Effect<A, CacheStoreError>) => {
    const bounded = within(operation, operationBudget)(effect)
    const resting = Effect.fail(new CacheStoreError({ operation, reason: "resting" }))
    return Effect.flatMap(monotonicMs, (now) => {
      if (distrust !== undefined) {
        if (distrust.probing || now < distrust.until) return resting
        distrust.probing = true
      }
      return bounded.pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            distrust = undefined
          })
        ),
        Effect.tapError(() =>
          Effect.map(monotonicMs, (failedAt) => {
            distrust = { until: failedAt + restMs, probing: false }
          })
        ),
        // Who asked may leave before the answer: the next one asks in its place.
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            if (distrust !== undefined) distrust.probing = false
          })
        )
      )
    })
  }

  return {
    getMany: (keys) => guard("getMany", store.getMany(keys)),
    setMany: (entries, timeToLive) => guard("setMany", store.setMany(entries, timeToLive)),
    clear: (prefix) => within("clear", scanBudget)(store.clear(prefix)),
    stats: within("stats", scanBudget)(store.stats)
  }
}
