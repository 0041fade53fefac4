/**
 * Replaces a file whole: whoever reads it, and whenever the process ends, it is the old text or the new one.
 */
import { ChangeRefused } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { constants } from "node:fs"
import * as NodeFs from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { isMissing } from "../config/YamlFile.ts"

export interface Replacement {
  /** Puts the new text in the file's place. */
  readonly commit: Effect.Effect<void, ChangeRefused>
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "the user that runs the server may not write it",
  EPERM: "the user that runs the server may not write it",
  EROFS: "it is on a file system that is read-only",
  EBUSY: "it is mounted by itself",
  ENOENT: "its folder is not there",
  ENOSPC: "there is no space left"
}

/** The cause is in the log; a caller is told neither paths nor codes. */
export const writeRefused = (cause: unknown): Effect.Effect<never, ChangeRefused> => {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : ""
  const reason = reasons[code] ?? `writing it failed${code === "" ? "" : ` (${code})`}`
  const detail =
    `nothing was changed, for the registry file cannot be written here: ${reason}. Change the file where it is made`
  return Effect.andThen(
    Effect.logDebug("the registry file cannot be written", cause),
    Effect.fail(new ChangeRefused({ detail }))
  )
}

const attempt = <A>(action: () => Promise<A>): Effect.Effect<A, ChangeRefused> =>
  Effect.catch(Effect.tryPromise({ try: action, catch: (cause) => cause }), writeRefused)

/** The file itself, where the path is a link to it; the path where nothing is there yet. */
export const targetOf = async (path: string): Promise<string> => {
  try {
    return await NodeFs.realpath(path)
  } catch (cause) {
    if (isMissing(cause)) return path
    throw cause
  }
}

const present = async (target: string) => {
  try {
    const stats = await NodeFs.stat(target)
    await NodeFs.access(target, constants.W_OK)
    return stats
  } catch (cause) {
    if (isMissing(cause)) return undefined
    throw cause
  }
}

/** Only the superuser may give a file away; others write what they own. */
const keepOwner = async (handle: NodeFs.FileHandle, owner: { readonly uid: number; readonly gid: number }) => {
  const own = await handle.stat()
  if (own.uid !== owner.uid || own.gid !== owner.gid) await handle.chown(owner.uid, owner.gid).catch(() => undefined)
}

const writeBeside = async (temporary: string, text: string, target: string, newFileMode: number) => {
  const former = await present(target)
  const handle = await NodeFs.open(temporary, "wx", newFileMode)
  try {
    if (former !== undefined) {
      await keepOwner(handle, former)
      await handle.chmod(former.mode & 0o7777)
    }
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes the new name last through a power cut, where the file system can. */
const syncFolder = async (folder: string) => {
  const handle = await NodeFs.open(folder, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Writes the text beside the file, with its mode or that of a new file, and fails with `ChangeRefused` where that cannot be. What has not been
 * committed is removed with the scope.
 */
export const prepareReplacement = Effect.fnUntraced(function*(
  path: string,
  text: string,
  newFileMode = 0o666
): Effect.fn.Return<Replacement, ChangeRefused, Scope.Scope> {
  const target = yield* attempt(() => targetOf(path))
  const temporary = join(dirname(target), `.${basename(target)}.${randomUUID()}.tmp`)
  yield* Effect.addFinalizer(() => Effect.ignore(attempt(() => NodeFs.rm(temporary, { force: true }))))
  yield* attempt(() => writeBeside(temporary, text, target, newFileMode))
  return {
    commit: Effect.andThen(
      attempt(() => NodeFs.rename(temporary, target)),
      Effect.ignore(attempt(() => syncFolder(dirname(target))))
    )
  }
})

/** How old what a killed process left must be where it cannot be known whose it is. */
const leftoverAgeMs = 60_000

const uuid = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

/**
 * Removes what processes left that were killed while they wrote this file. `aloneHere`: nobody else writes it now, so that
 * no text beside it has a writer who lives; else only what is a minute old goes.
 */
export const removeLeftovers = (path: string, aloneHere = false): Effect.Effect<void> =>
  Effect.ignore(attempt(async () => {
    const target = await targetOf(path)
    const start = `.${basename(target)}.`
    for (const name of await NodeFs.readdir(dirname(target))) {
      const rest = name.startsWith(start) ? name.slice(start.length) : ""
      const isText = new RegExp(`^${uuid}\\.tmp$`).test(rest)
      const isOfLock = new RegExp(`^lock\\.${uuid}$`).test(rest)
      if (!isText && !isOfLock) continue
      const leftover = join(dirname(target), name)
      // Others that wait for the lock write beside it at any time.
      const stats = isText && aloneHere ? undefined : await NodeFs.stat(leftover).catch(() => undefined)
      if ((isText && aloneHere) || (stats !== undefined && Date.now() - stats.mtimeMs > leftoverAgeMs)) {
        await NodeFs.rm(leftover, { force: true })
      }
    }
  }))
