/**
 * Gets a model's files into the store: those that a source has now, or exactly those that a lock names.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import * as NodeFs from "node:fs/promises"
import { join } from "node:path"
import { download, type Wanted } from "./Download.ts"
import { describeFile, type Hub, type HubFile, readRevision, resolveUrl } from "./HubClient.ts"
import { copyLocal, listLocal } from "./LocalFiles.ts"
import type { LockedModel } from "./ModelLock.ts"
import { type ModelSource, sourceFolder } from "./ModelSource.ts"
import { digestFile, type ModelStore, storeCall, type StoredFile } from "./ModelStore.ts"
import { holdLock, type LockOwner } from "./OwnedLock.ts"
import { besideLinks, chooseFiles } from "./SnapshotFiles.ts"
import { PullFailed, SourceRefused } from "./StoreErrors.ts"

/** What happens while files come, for whoever shows it. */
export interface PullEvents {
  readonly onProgress: (file: string, received: number, total: number | undefined) => void
  readonly onFile: (file: StoredFile, how: "fetched" | "present") => Effect.Effect<void>
  readonly onWait: (file: string, owner: LockOwner) => Effect.Effect<void>
}

export interface PullSettings {
  readonly store: ModelStore
  readonly hub: Hub
  /** Nothing is asked of any server. */
  readonly offline: boolean
  /** Of one file, in bytes. */
  readonly maxSize: number
  readonly events: PullEvents
}

export interface Pulled extends LockedModel {
  /** Where the files lie under their names. */
  readonly folder: string
}

type Digest = Omit<StoredFile, "path">
type Fetch = (partial: string) => Effect.Effect<Digest, PullFailed, Scope.Scope>

const digestOf = (...parts: ReadonlyArray<string>): string =>
  createHash("sha256").update(parts.join("\0")).digest("hex")

/** What is kept in the store of a file that is described so, and whole; undefined where it must be fetched. */
const present = Effect.fnUntraced(function*(settings: PullSettings, known: Partial<Digest>) {
  if (known.sha256 === undefined) return undefined
  const size = yield* settings.store.has(known.sha256)
  if (size === undefined || (known.size !== undefined && known.size !== size)) return undefined
  return (yield* settings.store.verify(known.sha256)) ? { sha256: known.sha256, size } : undefined
})

/** Fetches a file under its lock, unless it is there; another process that fetches it is waited for. */
const obtain = Effect.fnUntraced(
  function*(
    settings: PullSettings,
    file: string,
    key: string,
    find: Effect.Effect<Digest | undefined, PullFailed>,
    fetch: Fetch
  ) {
    const { events, store } = settings
    const before = yield* find
    if (before !== undefined) {
      const stored = { path: file, ...before }
      yield* events.onFile(stored, "present")
      return stored
    }
    const partial = yield* store.partial(key)
    const lock = yield* holdLock(`${partial}.lock`, { wait: true, onWait: (owner) => events.onWait(file, owner) })
    const meanwhile = yield* find
    const stored = { path: file, ...(meanwhile ?? (yield* fetch(partial))) }
    if (meanwhile === undefined) {
      yield* lock.check
      yield* store.adopt(partial, stored.sha256)
      yield* storeCall(partial, () => NodeFs.rm(`${partial}.json`, { force: true }))
    }
    yield* events.onFile(stored, meanwhile === undefined ? "fetched" : "present")
    return stored
  },
  Effect.scoped
)

const fetchOver =
  (settings: PullSettings, wanted: Omit<Wanted, "maxSize" | "onProgress" | "token">): Fetch => (partial) =>
    wanted.size !== undefined && wanted.size > settings.maxSize
      ? Effect.fail(
        new PullFailed({
          kind: "too-large",
          reason: `${wanted.file} has ${wanted.size} bytes, and at most ${settings.maxSize} are taken: ` +
            "allow more by --max-size"
        })
      )
      : download(partial, {
        ...wanted,
        // A source that is the hub's own address may need the key, too; no other server sees it.
        token: wanted.url.origin === settings.hub.endpoint.origin ? settings.hub.token : undefined,
        maxSize: settings.maxSize,
        onProgress: (received, total) => settings.events.onProgress(wanted.file, received, total)
      })

/** Lets plugins find beside the model what the repository keeps at its top. */
const completeSnapshot = Effect.fnUntraced(function*(
  { store }: PullSettings,
  source: ModelSource,
  revision: string,
  files: ReadonlyArray<StoredFile>
) {
  const folder = sourceFolder(source)
  for (const file of files) yield* store.link(folder, revision, file.path, file.sha256)
  for (const [place, from] of besideLinks(files.map(({ path }) => path))) {
    const file = files.find(({ path }) => path === from)
    if (file !== undefined) yield* store.link(folder, revision, place, file.sha256)
  }
  return { source: source.text, revision, files, folder: store.snapshot(folder, revision) } satisfies Pulled
})

/** The file of a commit that was linked before; a commit does not change, so its size is enough to know it by. */
const linkedBefore = (settings: PullSettings, source: ModelSource, commit: string, file: HubFile) => {
  const path = join(settings.store.snapshot(sourceFolder(source), commit), file.path)
  return digestFile(path).pipe(
    Effect.map((digest) => file.size === undefined || digest.size === file.size ? digest : undefined),
    Effect.catch(() => Effect.undefined),
    Effect.flatMap((digest) => digest === undefined ? Effect.undefined : present(settings, digest))
  )
}

const pullHub = Effect.fnUntraced(function*(
  settings: PullSettings,
  source: Extract<ModelSource, { readonly _tag: "Hub" }>,
  revision: string,
  wanted: ReadonlyArray<string>
) {
  const { hub } = settings
  const { commit, files } = yield* readRevision(hub, source.repository, revision)
  const chosen = yield* Effect.mapError(
    Effect.fromResult(chooseFiles(files.map(({ path }) => path), wanted)),
    ({ reason }) => new SourceRefused({ reason: `${source.text} at ${revision}: ${reason}` })
  )
  const stored = yield* Effect.forEach(
    chosen,
    Effect.fnUntraced(function*(path) {
      const listed = files.find((file) => file.path === path)
      if (listed === undefined) return yield* new SourceRefused({ reason: `${source.text} has no file ${path}` })
      const file = yield* describeFile(hub, source.repository, commit, listed)
      const find = file.sha256 === undefined
        ? linkedBefore(settings, source, commit, file)
        : present(settings, { sha256: file.sha256, ...(file.size === undefined ? {} : { size: file.size }) })
      const got = yield* obtain(
        settings,
        path,
        file.sha256 ?? digestOf(source.text, commit, path),
        find,
        fetchOver(settings, { ...file, file: path, url: resolveUrl(hub, source.repository, commit, path) })
      )
      // Linked as it comes, so that a pull that is killed finds it again.
      yield* settings.store.link(sourceFolder(source), commit, path, got.sha256)
      return got
    })
  )
  return yield* completeSnapshot(settings, source, commit, stored)
})

/** Of sources that have no revisions: what the files are. */
const contentRevision = (files: ReadonlyArray<StoredFile>): string =>
  digestOf(...files.map(({ path, sha256 }) => `${path} ${sha256}`).toSorted()).slice(0, 40)

const fetchLocal = (settings: PullSettings, path: string, file: string): Fetch => (partial) =>
  copyLocal(path, partial, settings.maxSize, (received, total) => settings.events.onProgress(file, received, total))

const pullLocal = Effect.fnUntraced(function*(
  settings: PullSettings,
  source: Extract<ModelSource, { readonly _tag: "Local" }>,
  wanted: ReadonlyArray<string>
) {
  const { files, folder, named } = yield* listLocal(source.path)
  const chosen = yield* Effect.fromResult(
    chooseFiles(files, wanted.length > 0 || named === undefined ? wanted : [named])
  ).pipe(Effect.mapError(({ reason }) => new SourceRefused({ reason: `${source.path}: ${reason}` })))
  const stored = yield* Effect.forEach(chosen, (file) =>
    obtain(
      settings,
      file,
      digestOf(source.text, file),
      Effect.undefined,
      fetchLocal(settings, join(folder, file), file)
    ))
  return yield* completeSnapshot(settings, source, contentRevision(stored), stored)
})

const pullWeb = Effect.fnUntraced(function*(
  settings: PullSettings,
  source: Extract<ModelSource, { readonly _tag: "Web" }>
) {
  const { file, text, url } = source
  const stored = yield* obtain(
    settings,
    file,
    digestOf(text, file),
    Effect.undefined,
    fetchOver(settings, { file, url })
  )
  return yield* completeSnapshot(settings, source, contentRevision([stored]), [stored])
})

const offlineOnly = (text: string): PullFailed =>
  new PullFailed({
    kind: "offline",
    reason: `${text} is not in the lock file, and offline nothing is asked of a server: pull it once with the network`
  })

/** Gets what the source has now. `files` are those to take; the usual ones where it is empty. */
export const pullSource = Effect.fn("Pull.pullSource")(function*(
  settings: PullSettings,
  source: ModelSource,
  { files, revision }: { readonly files: ReadonlyArray<string>; readonly revision: string }
): Effect.fn.Return<Pulled, PullFailed | SourceRefused> {
  if (source._tag === "Local") return yield* pullLocal(settings, source, files)
  if (settings.offline) return yield* offlineOnly(source.text)
  return yield* source._tag === "Hub"
    ? pullHub(settings, source, revision, files)
    : pullWeb(settings, source)
})

/** How a file of a lock is fetched, where the store lacks it. */
const fetchLocked = Effect.fnUntraced(function*(
  settings: PullSettings,
  source: ModelSource,
  revision: string,
  file: StoredFile
): Effect.fn.Return<Fetch, PullFailed> {
  if (source._tag === "Local") {
    const { folder } = yield* listLocal(source.path)
    return (partial) =>
      Effect.flatMap(
        fetchLocal(settings, join(folder, file.path), file.path)(partial),
        (digest) =>
          digest.sha256 === file.sha256
            ? Effect.succeed(digest)
            : Effect.fail(
              new PullFailed({
                kind: "checksum",
                reason: `${
                  join(folder, file.path)
                } is not what the lock file names any more: pull it by name to lock it anew`
              })
            )
      )
  }
  const url = source._tag === "Hub" ? resolveUrl(settings.hub, source.repository, revision, file.path) : source.url
  return fetchOver(settings, { file: file.path, url, sha256: file.sha256, size: file.size })
})

/** Gets exactly what a lock names; what is in the store is read again and checked, what is damaged is fetched anew. */
export const pullLocked = Effect.fn("Pull.pullLocked")(function*(
  settings: PullSettings,
  source: ModelSource,
  { files, revision }: LockedModel
): Effect.fn.Return<Pulled, PullFailed> {
  const { events, store } = settings
  const stored = yield* Effect.forEach(
    files,
    Effect.fnUntraced(function*(file) {
      if (yield* store.verify(file.sha256)) {
        yield* events.onFile(file, "present")
        return file
      }
      if (settings.offline && source._tag !== "Local") {
        return yield* new PullFailed({
          kind: "offline",
          reason:
            `${source.text}: ${file.path} is not in the store ${store.directory}, or was damaged there: pull it ` +
            "once with the network"
        })
      }
      const fetch = yield* fetchLocked(settings, source, revision, file)
      return yield* obtain(settings, file.path, file.sha256, present(settings, file), fetch)
    })
  )
  return yield* completeSnapshot(settings, source, revision, stored)
})
