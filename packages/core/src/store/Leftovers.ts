/**
 * Files that a process writes under a name of its own before it renames them, and leaves where it is killed meanwhile:
 * `NAME.UUID`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Dirent } from "node:fs"
import * as NodeFs from "node:fs/promises"
import { basename, dirname, join } from "node:path"

/** Writing one takes seconds; an hour after it was last written or linked nobody does any more. */
const leftoverAgeMs = 60 * 60 * 1000

const temporary = /\.[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Whether a file is one that its writer has left. Pure. */
export const isLeftover = (name: string, changedMs: number, nowMs: number): boolean =>
  temporary.test(name) && nowMs - changedMs > leftoverAgeMs

const attempt = <A>(action: () => Promise<A>): Effect.Effect<A | undefined> =>
  // Another sweep may be faster, and a store that is read only keeps what it has: neither matters to the work.
  Effect.catch(Effect.tryPromise(action), () => Effect.undefined)

const sweep = Effect.fnUntraced(function*(entries: ReadonlyArray<Dirent>) {
  const nowMs = yield* Clock.currentTimeMillis
  for (const entry of entries) {
    if (!entry.isFile() || !temporary.test(entry.name)) continue
    const path = join(entry.parentPath, entry.name)
    // A hard link has the age of its content; when it was made is the time of the change.
    const stats = yield* attempt(() => NodeFs.lstat(path))
    if (stats !== undefined && isLeftover(entry.name, stats.ctimeMs, nowMs)) {
      yield* attempt(() => NodeFs.rm(path, { force: true }))
    }
  }
})

const entriesOf = (folder: string, recursive: boolean): Effect.Effect<ReadonlyArray<Dirent>> =>
  Effect.map(attempt(() => NodeFs.readdir(folder, { recursive, withFileTypes: true })), (entries) => entries ?? [])

/** Removes what was left in a folder and below. */
export const sweepBelow = (folder: string): Effect.Effect<void> => Effect.flatMap(entriesOf(folder, true), sweep)

/** Removes what was left of a file that is written whole, beside it. */
export const sweepBeside = (path: string): Effect.Effect<void> =>
  Effect.flatMap(
    entriesOf(dirname(path), false),
    (entries) => sweep(entries.filter(({ name }) => name.startsWith(`${basename(path)}.`)))
  )
