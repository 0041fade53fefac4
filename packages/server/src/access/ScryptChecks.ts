/**
 * Runs scrypt for keys that are not known yet: one at a time and few waiting, so that a flood of wrong keys takes one core at
 * most and leaves Node's other background threads alone.
 */
import { RateLimited } from "@sluice/domain/Errors"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { matchesScrypt, type ScryptHash } from "./KeySecret.ts"

/** More would wait longer than callers do. */
const mostWaiting = 32

/** In which some checks are made. */
const retryAfterMs = 1000

/** Nothing is said of the key: it may be a right one. */
const tooMany = new RateLimited({ detail: "too many keys that are not known yet are being checked", retryAfterMs })

export interface ScryptChecks {
  /** Whether the key is the one that was hashed. `digest` is the key's, and names the check. */
  readonly matches: (digest: string, key: string, hash: ScryptHash) => Effect.Effect<boolean, RateLimited>
}

/** A check goes on when its caller leaves: others may wait for it. `check` is scrypt but for tests. */
export const makeScryptChecks = Effect.fnUntraced(function*(
  check: (key: string, hash: ScryptHash) => Effect.Effect<boolean> = matchesScrypt
): Effect.fn.Return<ScryptChecks, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const turn = yield* Semaphore.make(1)
  const underWay = new Map<string, Deferred.Deferred<boolean>>()

  const begin = Effect.fnUntraced(function*(name: string, key: string, hash: ScryptHash) {
    const done = Deferred.makeUnsafe<boolean>()
    underWay.set(name, done)
    yield* Semaphore.withPermit(turn)(check(key, hash)).pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          underWay.delete(name)
          Deferred.doneUnsafe(done, exit)
        })
      ),
      Effect.forkIn(scope)
    )
    return yield* Deferred.await(done)
  })

  return {
    matches: (digest, key, hash) =>
      Effect.suspend(() => {
        const name = `${digest} ${hash.hash.toString("hex")}`
        const known = underWay.get(name)
        if (known !== undefined) return Deferred.await(known)
        return underWay.size > mostWaiting ? Effect.fail(tooMany) : begin(name, key, hash)
      })
  }
})
