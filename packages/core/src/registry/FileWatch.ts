/**
 * Notices that a file has become another: by the events of its folder where the system has them, and by looking, which also
 * sees network mounts and links that were turned, as Kubernetes turns those of a ConfigMap.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { watch } from "node:fs"
import * as NodeFs from "node:fs/promises"
import { dirname } from "node:path"

export interface WatchTiming {
  /** How often to look where no event comes. */
  readonly every: Duration.Duration
  /** How long the file must have been the same before it is read: who writes it may not be done. */
  readonly still: Duration.Duration
}

export const defaultWatchTiming: WatchTiming = { every: Duration.seconds(1), still: Duration.millis(200) }

/** Events come in crowds, of this file and of its neighbours: one look is enough for those of so short a time. */
const crowd = Duration.millis(20)

/** What differs when a file was written, replaced, or another one is behind its links. */
export const fingerprintOf = (file: string): Effect.Effect<string> =>
  Effect.tryPromise({ try: () => NodeFs.stat(file, { bigint: true }), catch: (cause) => cause }).pipe(
    Effect.match({
      onSuccess: ({ ctimeNs, dev, ino, mtimeNs, size }) => [dev, ino, size, mtimeNs, ctimeNs].join(":"),
      onFailure: (cause) => cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable"
    })
  )

/** Events of the folder, for as long as the scope. Without them looking is enough, only later. */
const folderEvents = (folder: string, onEvent: () => void) =>
  Effect.acquireRelease(
    Effect.try({
      try: () => {
        const watcher = watch(folder, { persistent: false }, onEvent)
        watcher.on("error", () => watcher.close())
        return watcher
      },
      catch: (cause) => cause
    }),
    (watcher) => Effect.sync(() => watcher.close())
  ).pipe(
    Effect.asVoid,
    Effect.catch((cause) => Effect.logDebug("the file's folder gives no events, so it is looked at", cause))
  )

/**
 * Runs `onStill` whenever the file is another than at the last run and has been still for a while, for as long as the scope.
 * The first run comes at once.
 */
export const watchFile = Effect.fnUntraced(function*(
  file: string,
  onStill: Effect.Effect<void>,
  { every, still }: WatchTiming = defaultWatchTiming
): Effect.fn.Return<void, never, Scope.Scope> {
  const events = yield* Queue.sliding<void>(1)
  yield* folderEvents(dirname(file), () => Queue.offerUnsafe(events, undefined))
  let settled: string | undefined

  const look = Effect.gen(function*() {
    let seen = yield* fingerprintOf(file)
    if (seen === settled) return
    for (;;) {
      yield* Effect.sleep(still)
      const now = yield* fingerprintOf(file)
      if (now === seen) break
      seen = now
    }
    yield* onStill
    // What was written while it was read is looked at again.
    settled = seen
  })
  const next = Effect.andThen(Effect.timeoutOption(Queue.take(events), every), Effect.sleep(crowd))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(look, next)))
})
