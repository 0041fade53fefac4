/**
 * A lock file that names its owner's process, so that two pulls of one file do not write over each other and a lock
 * whose owner was killed is taken over.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import * as NodeFs from "node:fs/promises"
import { hostname } from "node:os"
import { hasCode, PullFailed, storeFailed } from "./StoreErrors.ts"

const Owner = Schema.Struct({
  pid: Schema.Int,
  host: Schema.String,
  /** When the process started, in the kernel's ticks; empty where that cannot be known. Pids are given out again. */
  started: Schema.String,
  nonce: Schema.String
})
interface Owner extends Schema.Schema.Type<typeof Owner> {}

const decodeOwner = Schema.decodeUnknownEffect(Schema.fromJsonString(Owner))

/** Of a lock that a power cut left without its text. */
const unnamed: Owner = { pid: 0, host: "", started: "", nonce: "" }
const isBlank = (text: string): boolean => /^[\0\s]*$/.test(text)
/** A lock appears with its text, so that one without it has no living owner; a file system may be late to tell. */
const blankMs = 5_000

/** How often a lock that another process holds is looked at. */
const lookEvery = "100 millis"

/** A wait for less is not worth a line. */
const tellAfterMs = 1000

/** A lock of another machine whose time is older has a dead owner; a living one moves it on. */
const leaseMs = 60_000
const renewEvery = "10 seconds"

/** Those that this process holds: one with its pid that is not among them is a dead process's of the same pid. */
const held = new Set<string>()

const fileCall = <A>(path: string, call: () => Promise<A>): Effect.Effect<A, PullFailed> =>
  Effect.tryPromise({ try: call, catch: (cause) => storeFailed(path, cause) })

/** The 22nd field of Linux' `/proc/PID/stat`; empty elsewhere. */
const startOf = (pid: number): Effect.Effect<string> =>
  Effect.tryPromise(() => NodeFs.readFile(`/proc/${pid}/stat`, "utf8")).pipe(
    Effect.map((text) => text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? ""),
    Effect.catch(() => Effect.succeed(""))
  )

const runs = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    // EPERM: it runs, as another user.
    return !hasCode(cause, "ESRCH")
  }
}

/** Whether its owner showed that it lives: by the file's time, which it moves on for as long as it does. */
const isRenewed = (path: string, withinMs: number): Effect.Effect<boolean> =>
  Effect.tryPromise(() => NodeFs.stat(path)).pipe(
    Effect.flatMap(({ mtimeMs }) => Effect.map(Clock.currentTimeMillis, (nowMs) => nowMs - mtimeMs < withinMs)),
    // It is gone, which the next claim shows.
    Effect.catch(() => Effect.succeed(true))
  )

const renew = (path: string) =>
  Effect.flatMap(
    Clock.currentTimeMillis,
    (nowMs) => Effect.ignore(Effect.tryPromise(() => NodeFs.utimes(path, nowMs / 1000, nowMs / 1000)))
  ).pipe(
    Effect.delay(renewEvery),
    Effect.forever
  )

const isAlive = Effect.fnUntraced(function*(path: string, owner: Owner) {
  if (owner === unnamed) return yield* isRenewed(path, blankMs)
  // Another machine's processes, or another container's, cannot be asked.
  if (owner.host !== hostname()) return yield* isRenewed(path, leaseMs)
  if (owner.pid === process.pid) return held.has(owner.nonce)
  if (!runs(owner.pid)) return false
  const started = yield* startOf(owner.pid)
  return started === "" || owner.started === "" || started === owner.started
})

const read = (path: string): Effect.Effect<Owner | undefined, PullFailed> =>
  fileCall(path, () => NodeFs.readFile(path, "utf8")).pipe(
    Effect.catchIf(({ cause }) => hasCode(cause, "ENOENT"), () => Effect.undefined),
    Effect.flatMap((text) =>
      text === undefined ?
        Effect.undefined :
        isBlank(text) ?
        Effect.succeed(unnamed) :
        Effect.mapError(decodeOwner(text), (cause) =>
          new PullFailed({ kind: "store", reason: `${path} is no lock file of ours: remove it`, cause }))
    )
  )

/** Whether the lock is ours now. It appears whole: a link to a file that has been written. */
const claim = (path: string, owner: Owner): Effect.Effect<boolean, PullFailed> => {
  const written = `${path}.${owner.nonce}`
  return fileCall(path, async () => {
    await NodeFs.writeFile(written, JSON.stringify(owner), { flag: "wx", flush: true })
    try {
      await NodeFs.link(written, path)
      return true
    } catch (cause) {
      if (hasCode(cause, "EEXIST")) return false
      throw cause
    } finally {
      await NodeFs.rm(written, { force: true })
    }
  })
}

/** Removes a dead owner's lock. If another process was faster, what is moved away is its lock, and is put back. */
const bury = (path: string, dead: Owner): Effect.Effect<void, PullFailed> => {
  const grave = `${path}.${randomUUID()}`
  return Effect.gen(function*() {
    yield* fileCall(path, () => NodeFs.rename(path, grave))
    const moved = yield* read(grave)
    if (moved !== undefined && moved.nonce !== dead.nonce) yield* fileCall(path, () => NodeFs.link(grave, path))
    yield* fileCall(grave, () => NodeFs.rm(grave, { force: true }))
  }).pipe(Effect.catchIf(({ cause }) => hasCode(cause, "ENOENT", "EEXIST"), () => Effect.void), Effect.uninterruptible)
}

export interface HeldLock {
  /** Fails where the lock is not ours any more, which is asked before anything is made final. */
  readonly check: Effect.Effect<void, PullFailed>
}

/** What a wait is for: the process that holds the lock. */
export interface LockOwner {
  readonly pid: number
  readonly host: string
}

/**
 * Holds the lock until the scope closes. While a living process has it, waits; `onWait` is told once for whom, after a second. With
 * `wait` false it fails instead, with kind `locked`.
 */
export const holdLock = Effect.fnUntraced(function*(
  path: string,
  options: { readonly wait: boolean; readonly onWait?: (owner: LockOwner) => Effect.Effect<void> }
): Effect.fn.Return<HeldLock, PullFailed, Scope.Scope> {
  const owner: Owner = {
    pid: process.pid,
    host: hostname(),
    started: yield* startOf(process.pid),
    nonce: randomUUID()
  }
  const release = Effect.gen(function*() {
    const holder = yield* read(path)
    if (holder?.nonce === owner.nonce) yield* fileCall(path, () => NodeFs.rm(path, { force: true }))
    held.delete(owner.nonce)
  }).pipe(Effect.ignore)
  yield* Effect.addFinalizer(() => release)
  held.add(owner.nonce)
  const since = yield* Clock.currentTimeMillis
  let told = false
  while (!(yield* claim(path, owner))) {
    const holder = yield* read(path)
    if (holder === undefined) continue
    if (!(yield* isAlive(path, holder))) {
      yield* bury(path, holder)
      continue
    }
    if (!options.wait) {
      return yield* new PullFailed({
        kind: "locked",
        reason: `process ${holder.pid} on ${holder.host} is at it: if there is none, remove ${path}`
      })
    }
    if (!told && (yield* Clock.currentTimeMillis) - since >= tellAfterMs) {
      told = true
      yield* options.onWait?.(holder) ?? Effect.void
    }
    yield* Effect.sleep(lookEvery)
  }
  yield* Effect.forkScoped(renew(path))
  const check = Effect.flatMap(read(path), (holder) =>
    holder?.nonce === owner.nonce
      ? Effect.void
      : Effect.fail(new PullFailed({ kind: "locked", reason: `${path} was taken by another process: pull again` })))
  return { check }
})
