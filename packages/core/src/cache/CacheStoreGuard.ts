/**
 * A bound on what a store may cost: each operation has a budget of time, and a store that failed is left alone for a while
 * and then asked by one caller only, so that its absence does not cost every request the budget.
 *
 * Reads and writes are trusted apart: a store that is full or read-only refuses to write and goes on to be read. One that
 * is slow or cannot be reached is asked for neither.
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

export const CACHE_ACCESSES = ["read", "write"] as const
export type CacheAccess = (typeof CACHE_ACCESSES)[number]

/** `ready`: asked by all; `probing`: one caller asks whether it is back; `resting`: not asked. */
export const CACHE_STORE_STATES = ["ready", "probing", "resting"] as const
export type CacheStoreState = (typeof CACHE_STORE_STATES)[number]

/** Where what becomes of the store is told. */
export interface CacheStoreWatch {
  readonly failed: (operation: CacheOperation) => void
  readonly state: (access: CacheAccess, state: CacheStoreState) => void
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

/** Set while the store is not trusted: when it may be asked again, and whether somebody is asking. */
interface Distrust {
  readonly until: number
  probing: boolean
}

/** The store, within its budget. */
export const guarded = (
  store: CacheStore["Service"],
  budget: CacheStoreBudget,
  watch: CacheStoreWatch
): CacheStore["Service"] => {
  const operationBudget = Duration.fromInputUnsafe(budget.operation)
  const scanBudget = Duration.fromInputUnsafe(budget.scan)
  const restMs = Duration.toMillis(Duration.fromInputUnsafe(budget.rest))
  const distrusts = new Map<CacheAccess, Distrust>()

  const trust = (access: CacheAccess): void => {
    if (distrusts.delete(access)) watch.state(access, "ready")
  }

  const distrust = (access: CacheAccess, now: number): void => {
    distrusts.set(access, { until: now + restMs, probing: false })
    watch.state(access, "resting")
  }

  const noteFailure = (access: CacheAccess, { operation, reason }: CacheStoreError, now: number): void => {
    watch.failed(operation)
    // What answers with a refusal is there: only what it refused is left alone.
    for (const other of CACHE_ACCESSES) if (reason !== "refused" || other === access) distrust(other, now)
  }

  const guard = <A>(access: CacheAccess, operation: CacheOperation, effect: Effect.Effect<A, CacheStoreError>) => {
    const bounded = within(operation, operationBudget)(effect)
    const resting = Effect.fail(new CacheStoreError({ operation, reason: "resting" }))
    return Effect.flatMap(monotonicMs, (now) => {
      const distrusted = distrusts.get(access)
      if (distrusted !== undefined) {
        if (distrusted.probing || now < distrusted.until) return resting
        distrusted.probing = true
        watch.state(access, "probing")
      }
      return bounded.pipe(
        Effect.tap(() => Effect.sync(() => trust(access))),
        Effect.tapError((error) => Effect.map(monotonicMs, (failedAt) => noteFailure(access, error, failedAt))),
        // Who asked may leave before the answer: the next one asks in its place.
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            if (distrusted === undefined || distrusts.get(access) !== distrusted) return
            distrusted.probing = false
            watch.state(access, "resting")
          })
        )
      )
    })
  }

  const scan = <A>(operation: CacheOperation, effect: Effect.Effect<A, CacheStoreError>) =>
    within(operation, scanBudget)(effect).pipe(
      Effect.tapError(() => Effect.sync(() => watch.failed(operation)))
    )

  const { claims } = store
  return {
    held: store.held,
    getMany: (keys) => guard("read", "getMany", store.getMany(keys)),
    setMany: (entries, timeToLive) => guard("write", "setMany", store.setMany(entries, timeToLive)),
    removeMany: (keys) => scan("clear", store.removeMany(keys)),
    clear: (prefix) => scan("clear", store.clear(prefix)),
    stats: scan("stats", store.stats),
    claims: claims && {
      claim: (keys, token, holdMs) => guard("write", "claim", claims.claim(keys, token, holdMs)),
      look: (keys) => guard("read", "look", claims.look(keys)),
      renew: (keys, token, holdMs) => guard("write", "renew", claims.renew(keys, token, holdMs)),
      release: (keys, token) => guard("write", "release", claims.release(keys, token))
    }
  }
}
