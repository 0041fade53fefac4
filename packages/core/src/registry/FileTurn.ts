/**
 * One writer of the registry file at a time, over all processes and servers that share it: what was read before a change is
 * still there when the change is written.
 */
import { ChangeRefused } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { basename, dirname, join } from "node:path"
import { holdLock } from "../store/OwnedLock.ts"
import { removeLeftovers, targetOf, writeRefused } from "./FileReplacement.ts"

/** A change of the file takes milliseconds: who waits longer waits for a machine that was cut off. */
const longestWait = "10 seconds"

const stillHeld = new ChangeRefused({
  detail:
    "nothing was changed, for another server has been changing the registry file for 10 seconds: try again in a minute"
})

const foreign = (lock: string) =>
  new ChangeRefused({
    detail: `nothing was changed, for the file ${lock} beside the registry file is no lock of a server: remove it`
  })

/** Holds the turn until the scope closes, by a lock beside the file. One whose owner was killed is taken over. */
export const takeTurn = Effect.fnUntraced(function*(file: string): Effect.fn.Return<void, ChangeRefused, Scope.Scope> {
  const target = yield* Effect.catch(
    Effect.tryPromise({ try: () => targetOf(file), catch: (cause) => cause }),
    writeRefused
  )
  const lock = `.${basename(target)}.lock`
  const held = holdLock(join(dirname(target), lock), { wait: true }).pipe(
    Effect.catch(({ cause }) =>
      cause instanceof Error && "code" in cause ? writeRefused(cause) : Effect.fail(foreign(lock))
    ),
    Effect.timeoutOrElse({ duration: longestWait, orElse: () => Effect.fail(stillHeld) })
  )
  // A change that has begun is finished, but who only waits for a turn may leave.
  yield* Effect.interruptible(held)
  yield* removeLeftovers(target, true)
})
