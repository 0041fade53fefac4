/**
 * The files of a model that lies on this machine already. Links are refused: what is kept is what stands there.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { constants, type Dirent } from "node:fs"
import * as NodeFs from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { isFileName } from "./FileName.ts"
import { openFile, storeCall, type StoredFile } from "./ModelStore.ts"
import { companions } from "./SnapshotFiles.ts"
import { PullFailed } from "./StoreErrors.ts"

/** Deeper and larger folders are no model's. */
const deepest = 6
const mostFiles = 10_000

export interface LocalFiles {
  /** The folder that names count from. */
  readonly folder: string
  readonly files: ReadonlyArray<string>
  /** The file that was named, where it was one. */
  readonly named: string | undefined
}

const refused = (reason: string): PullFailed => new PullFailed({ kind: "store", reason })

const isLink = (path: string): PullFailed =>
  refused(`${path} is a symbolic link, and none is followed: name the file that it leads to`)

const entries = (folder: string): Effect.Effect<ReadonlyArray<Dirent>, PullFailed> =>
  storeCall(folder, () => NodeFs.readdir(folder, { withFileTypes: true }))

const walk = Effect.fnUntraced(function*(root: string) {
  const files: Array<string> = []
  const waiting = [""]
  for (let prefix = waiting.shift(); prefix !== undefined; prefix = waiting.shift()) {
    for (const entry of yield* entries(join(root, prefix))) {
      const name = `${prefix}${entry.name}`
      if (entry.isSymbolicLink()) return yield* isLink(join(root, name))
      if (entry.isDirectory() && name.split("/").length < deepest) waiting.push(`${name}/`)
      if (entry.isFile() && isFileName(name)) files.push(name)
      if (files.length + waiting.length > mostFiles) {
        return yield* refused(`${root} has more than ${mostFiles} files: name the model's file, or its folder`)
      }
    }
  }
  return files
})

/** What there is to choose from at a path: a folder's files, or a file and what belongs beside it. */
export const listLocal = Effect.fnUntraced(function*(path: string): Effect.fn.Return<LocalFiles, PullFailed> {
  const stats = yield* storeCall(path, () => NodeFs.lstat(path))
  if (stats.isSymbolicLink()) return yield* isLink(path)
  if (stats.isDirectory()) return { folder: path, files: yield* walk(path), named: undefined }
  if (!stats.isFile()) return yield* refused(`${path} is neither a file nor a folder`)
  const folder = dirname(path)
  const named = basename(path)
  const belongs = new Set<string>([named, `${named}_data`, `${named}.data`, ...companions])
  const beside = (yield* entries(folder)).filter(({ name }) => belongs.has(name))
  const link = beside.find((entry) => entry.isSymbolicLink())
  if (link !== undefined) return yield* isLink(join(folder, link.name))
  return { folder, files: beside.filter((entry) => entry.isFile()).map(({ name }) => name), named }
})

/** Copies a file to `target`, hashed on its way; fails where it has more than `maxSize` bytes. */
export const copyLocal = Effect.fnUntraced(
  function*(
    path: string,
    target: string,
    maxSize: number,
    onProgress: (received: number, total: number | undefined) => void
  ): Effect.fn.Return<Omit<StoredFile, "path">, PullFailed, Scope.Scope> {
    const from = yield* openFile(path)
    const to = yield* Effect.acquireRelease(
      storeCall(target, () =>
        NodeFs.open(
          target,
          constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
          0o644
        )),
      (handle) => Effect.promise(() => handle.close())
    )
    const stats = yield* storeCall(path, () => from.stat())
    if (!stats.isFile()) return yield* refused(`${path} is not a file`)
    if (stats.size > maxSize) {
      return yield* new PullFailed({
        kind: "too-large",
        reason: `${path} has ${stats.size} bytes, and at most ${maxSize} are taken: allow more by --max-size`
      })
    }
    return yield* storeCall(target, async (signal) => {
      const hash = createHash("sha256")
      let size = 0
      // As much as it had when it was looked at: one that grows meanwhile is not followed.
      const source = stats.size === 0 ? [] : from.createReadStream({
        start: 0,
        end: stats.size - 1,
        autoClose: false,
        signal
      })
      for await (const part of source) {
        if (!Buffer.isBuffer(part)) continue
        await to.appendFile(part)
        hash.update(part)
        size += part.length
        onProgress(size, stats.size)
      }
      await to.sync()
      return { sha256: hash.digest("hex"), size }
    })
  }
)
