/**
 * One computation of an item among the processes that share a store: whoever claims it computes, and the others wait for
 * what it stores. A claim ends by itself unless it is renewed, so a process that dies costs the others no more than its time.
 */
import * as Effect from "effect/Effect"
import { type CacheClaims, longestClaimMs } from "./CacheStore.ts"
import type { Judged } from "./Freshness.ts"

/** Milliseconds that a claim lasts at least; else several times what the computation is expected to take. */
const shortestHoldMs = 250
const holdFactor = 10
/** What is expected to take less than this is computed by everyone: a claim takes a round trip. */
const worthClaimingMs = 2

/** Milliseconds between looks at what others compute. */
const firstPauseMs = 4
const longestPauseMs = 32

/** What computations of each kind take: a moving average, in milliseconds. */
export class ComputeTimes {
  readonly #byKind = new Map<string, number>()

  observe(kind: string, ms: number): void {
    const known = this.#byKind.get(kind)
    this.#byKind.set(kind, known === undefined ? ms : known + (ms - known) / 8)
  }

  /** How long to claim such a computation for; undefined where that costs more than to compute. */
  holdMs(kind: string): number | undefined {
    const ms = this.#byKind.get(kind)
    if (ms === undefined) return longestClaimMs
    if (ms < worthClaimingMs) return undefined
    return Math.min(Math.max(ms * holdFactor, shortestHoldMs), longestClaimMs)
  }
}

/** What is to become of keys that were missed. */
export interface Shares {
  /** Stored by others since. */
  readonly found: ReadonlyMap<string, Judged>
  /** The caller's to compute. */
  readonly own: ReadonlyArray<string>
  /** Computed elsewhere now. */
  readonly others: ReadonlyArray<string>
  /** Those that the caller has not claimed. */
  readonly unclaimed: ReadonlyArray<string>
}

type Read = (key: string, value: Uint8Array | undefined) => Judged | undefined

/** Claims what nobody else has. Where the store does not answer, everything is the caller's. */
export const shareOut = (
  claims: CacheClaims,
  keys: ReadonlyArray<string>,
  token: string,
  holdMs: number,
  read: Read
): Effect.Effect<Shares> =>
  Effect.match(claims.claim(keys, token, holdMs), {
    onFailure: (): Shares => ({ found: new Map(), own: keys, others: [], unclaimed: keys }),
    onSuccess: (standings): Shares => {
      const found = new Map<string, Judged>()
      const own: Array<string> = []
      const others: Array<string> = []
      keys.forEach((key, index) => {
        const judged = read(key, standings[index]?.value)
        if (judged?.fresh === true) found.set(key, judged)
        else if (standings[index]?.claimed === true) own.push(key)
        else others.push(key)
      })
      return { found, own, others, unclaimed: keys.filter((_, index) => standings[index]?.claimed !== true) }
    }
  })

/** Keeps the claims from ending while they are computed, for as long as the caller waits. */
export const whileRenewing = <A, E, R>(
  claims: CacheClaims,
  keys: ReadonlyArray<string>,
  token: string,
  holdMs: number,
  computing: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.raceFirst(
    computing,
    Effect.forever(
      Effect.andThen(Effect.sleep(holdMs / 3), Effect.ignore(claims.renew(keys, token, holdMs)))
    )
  )

/** What others stored for these keys while they had them claimed, for as long as the caller waits. */
export const awaitOthers = Effect.fnUntraced(function*(
  claims: CacheClaims,
  keys: ReadonlyArray<string>,
  read: Read
) {
  const found = new Map<string, Judged>()
  let left = keys
  for (let pauseMs = firstPauseMs; left.length > 0; pauseMs *= 2) {
    yield* Effect.sleep(Math.min(pauseMs, longestPauseMs))
    const standings = yield* Effect.match(claims.look(left), { onSuccess: (them) => them, onFailure: () => [] })
    const still: Array<string> = []
    left.forEach((key, index) => {
      const judged = read(key, standings[index]?.value)
      if (judged?.fresh === true) found.set(key, judged)
      else if (standings[index]?.claimed === true) still.push(key)
    })
    left = still
  }
  return found
})
