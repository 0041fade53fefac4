/**
 * The files of models by what they contain: `blobs/sha256/HEX`, and `snapshots/SOURCE/REVISION/FILE` as hard links to
 * them. Whatever is there is whole: files are written to `partial`, synced, and renamed.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash, randomUUID } from "node:crypto"
import { constants, type Stats } from "node:fs"
import * as NodeFs from "node:fs/promises"
import { dirname, join, relative, sep } from "node:path"
import { fileNameMistake } from "./FileName.ts"
import { sweepBelow } from "./Leftovers.ts"
import { hasCode, PullFailed, storeFailed } from "./StoreErrors.ts"

/** A file of a snapshot. `sha256` in hexadecimal, `size` in bytes. */
export interface StoredFile {
  readonly path: string
  readonly sha256: string
  readonly size: number
}

/** Nobody writes to a blob: each of its links would change. */
const readOnly = 0o444

const isDigest = (text: string): boolean => /^[0-9a-f]{64}$/.test(text)

export const storeCall = <A>(path: string, call: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, PullFailed> =>
  Effect.tryPromise({ try: call, catch: (cause) => storeFailed(path, cause) })

/** A regular file, opened for reading; a symbolic link is refused, not followed. */
export const openFile = (path: string): Effect.Effect<NodeFs.FileHandle, PullFailed, Scope.Scope> =>
  Effect.acquireRelease(
    storeCall(path, () => NodeFs.open(path, constants.O_RDONLY | constants.O_NOFOLLOW)),
    (handle) => Effect.promise(() => handle.close())
  )

/** SHA-256 of an open file and its size, read in pieces. */
export const digestFile = (path: string): Effect.Effect<Omit<StoredFile, "path">, PullFailed> =>
  Effect.scoped(Effect.gen(function*() {
    const handle = yield* openFile(path)
    return yield* storeCall(path, async (signal) => {
      const hash = createHash("sha256")
      let size = 0
      for await (const part of handle.createReadStream({ start: 0, autoClose: false, signal })) {
        if (!Buffer.isBuffer(part)) continue
        hash.update(part)
        size += part.length
      }
      return { sha256: hash.digest("hex"), size }
    })
  }))

/** What was renamed or linked into a folder stays there after a power cut. */
const syncFolder = async (folder: string): Promise<void> => {
  const handle = await NodeFs.open(folder, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Writes a text as a whole: another process, and this one after a kill, reads the old or the new. */
export const writeWhole = (path: string, text: string): Effect.Effect<void, PullFailed> =>
  storeCall(path, async () => {
    await NodeFs.mkdir(dirname(path), { recursive: true })
    const written = `${path}.${randomUUID()}`
    try {
      const handle = await NodeFs.open(written, "wx")
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await NodeFs.rename(written, path)
    } finally {
      await NodeFs.rm(written, { force: true })
    }
    await syncFolder(dirname(path))
  })

export interface ModelStore {
  readonly directory: string
  /** Where a download of this key grows; its folder is there. */
  readonly partial: (key: string) => Effect.Effect<string, PullFailed>
  /** The size of a blob that is there. */
  readonly has: (sha256: string) => Effect.Effect<number | undefined, PullFailed>
  /** Whether a blob's content is still what its name says; one that is damaged is removed. */
  readonly verify: (sha256: string) => Effect.Effect<boolean, PullFailed>
  /** Makes a whole file of `partial`, whose content has been checked, a blob. */
  readonly adopt: (partial: string, sha256: string) => Effect.Effect<void, PullFailed>
  /** The folder of a snapshot. */
  readonly snapshot: (source: string, revision: string) => string
  /** Makes a blob a file of a snapshot, and returns its path. */
  readonly link: (
    source: string,
    revision: string,
    file: string,
    sha256: string
  ) => Effect.Effect<string, PullFailed>
  /** Removes what processes left that ended while they wrote, where that can be done. */
  readonly sweep: Effect.Effect<void>
}

const lstat = (path: string): Effect.Effect<Stats | undefined, PullFailed> =>
  storeCall(path, () => NodeFs.lstat(path)).pipe(
    Effect.catchIf(({ cause }) => hasCode(cause, "ENOENT", "ENOTDIR"), () => Effect.undefined)
  )

/** Makes the folders from the store down to `folder`, none of which may be a link that leads out of it. */
const makeFolder = Effect.fnUntraced(function*(directory: string, folder: string) {
  yield* storeCall(directory, () => NodeFs.mkdir(directory, { recursive: true }))
  let here = directory
  for (const part of relative(directory, folder).split(sep)) {
    here = join(here, part)
    const path = here
    yield* storeCall(path, () => NodeFs.mkdir(path)).pipe(
      Effect.catchIf(({ cause }) => hasCode(cause, "EEXIST"), () => Effect.void)
    )
    if ((yield* lstat(path))?.isDirectory() !== true) {
      return yield* new PullFailed({ kind: "store", reason: `${path} is not a folder, nor may it be a link to one` })
    }
  }
})

const isSameFile = (a: Stats, b: Stats): boolean => a.dev === b.dev && a.ino === b.ino

/** Links `blob` to `target`, in place of what is there. File systems without hard links get a copy. */
const linkWhole = async (blob: string, target: string): Promise<void> => {
  const written = `${target}.${randomUUID()}`
  try {
    try {
      await NodeFs.link(blob, written)
    } catch (cause) {
      if (!hasCode(cause, "EPERM", "ENOTSUP", "EOPNOTSUPP", "EMLINK", "EXDEV", "ENOSYS")) throw cause
      await NodeFs.copyFile(blob, written, constants.COPYFILE_EXCL)
    }
    await NodeFs.rename(written, target)
  } finally {
    // A rename onto a link to the same file leaves both names.
    await NodeFs.rm(written, { force: true })
  }
  await syncFolder(dirname(target))
}

/** The store in this folder. Nothing is made before it is needed. */
export const makeModelStore = (directory: string): ModelStore => {
  const blobs = join(directory, "blobs", "sha256")
  const partials = join(directory, "partial")
  const blobOf = (sha256: string): Effect.Effect<string, PullFailed> =>
    isDigest(sha256)
      ? Effect.succeed(join(blobs, sha256))
      : Effect.fail(new PullFailed({ kind: "protocol", reason: `"${sha256}" is not a SHA-256 digest` }))
  const snapshot = (source: string, revision: string): string =>
    join(directory, "snapshots", source, revision.replaceAll("/", "--"))

  const has = Effect.fnUntraced(function*(sha256: string) {
    const stats = yield* lstat(yield* blobOf(sha256))
    return stats?.isFile() === true ? stats.size : undefined
  })
  return {
    directory,
    has,
    snapshot,
    sweep: Effect.forEach([partials, join(directory, "snapshots")], sweepBelow, { discard: true }),
    partial: Effect.fnUntraced(function*(key) {
      yield* makeFolder(directory, partials)
      return join(partials, key)
    }),
    verify: Effect.fnUntraced(function*(sha256) {
      const blob = yield* blobOf(sha256)
      if ((yield* has(sha256)) === undefined) return false
      if ((yield* digestFile(blob)).sha256 === sha256) return true
      yield* storeCall(blob, () => NodeFs.rm(blob, { force: true }))
      return false
    }),
    adopt: Effect.fnUntraced(function*(partial, sha256) {
      const blob = yield* blobOf(sha256)
      yield* makeFolder(directory, blobs)
      yield* storeCall(blob, async () => {
        await NodeFs.chmod(partial, readOnly)
        await NodeFs.rename(partial, blob)
        await syncFolder(blobs)
      })
    }),
    link: Effect.fnUntraced(function*(source, revision, file, sha256) {
      const mistake = fileNameMistake(file) ?? fileNameMistake(source) ?? fileNameMistake(revision)
      if (mistake !== undefined) {
        return yield* new PullFailed({ kind: "protocol", reason: `${JSON.stringify(file)} is not kept: ${mistake}` })
      }
      const blob = yield* blobOf(sha256)
      const target = join(snapshot(source, revision), file)
      yield* makeFolder(directory, dirname(target))
      const there = yield* lstat(target)
      const wanted = yield* lstat(blob)
      if (there !== undefined && wanted !== undefined && isSameFile(there, wanted)) return target
      // A store that was copied has no hard links, and may be one that nobody can write to.
      if (there?.isFile() === true && there.size === wanted?.size && (yield* digestFile(target)).sha256 === sha256) {
        return target
      }
      yield* storeCall(target, () => linkWhole(blob, target))
      return target
    })
  }
}
