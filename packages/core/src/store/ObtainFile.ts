/**
 * Gets one file of a model into the store: what is there is taken, what is not is fetched under the file's lock, looked
 * at, and kept.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { download, removePartial, type Wanted } from "./Download.ts"
import { weightsPlace } from "./ExternalWeights.ts"
import { checkContent, type ReadWeights } from "./FetchedContent.ts"
import type { Hub } from "./HubClient.ts"
import { copyLocal } from "./LocalFiles.ts"
import type { LockedModel } from "./ModelLock.ts"
import { type ModelSource, sourceFolder } from "./ModelSource.ts"
import type { ModelStore, StoredFile } from "./ModelStore.ts"
import { holdLock, type LockOwner } from "./OwnedLock.ts"
import { besideLinks, isModel } from "./SnapshotFiles.ts"
import { PullFailed, type SourceRefused } from "./StoreErrors.ts"

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
  readonly readWeights: ReadWeights
  readonly events: PullEvents
}

export interface Pulled extends LockedModel {
  /** Where the files lie under their names. */
  readonly folder: string
}

export type Digest = Omit<StoredFile, "path">
export type Fetch = (partial: string) => Effect.Effect<Digest, PullFailed, Scope.Scope>

export const digestOf = (...parts: ReadonlyArray<string>): string =>
  createHash("sha256").update(parts.join("\0")).digest("hex")

/** What is kept in the store of a file that is described so, and whole; undefined where it must be fetched. */
export const present = Effect.fnUntraced(function*(settings: PullSettings, known: Partial<Digest>) {
  if (known.sha256 === undefined) return undefined
  const size = yield* settings.store.has(known.sha256)
  if (size === undefined || (known.size !== undefined && known.size !== size)) return undefined
  return (yield* settings.store.verify(known.sha256)) ? { sha256: known.sha256, size } : undefined
})

export interface Obtained extends StoredFile {
  /** The files that it names, where it is a model that keeps weights outside itself. */
  readonly weights: ReadonlyArray<string>
}

/** How a file is got. */
export interface Way {
  /** What is kept in the store already; undefined where it must be fetched. */
  readonly find: Effect.Effect<Digest | undefined, PullFailed>
  readonly fetch: Fetch
  /** By which what has come of it is known. */
  readonly key: string
  /** Where what was found lies under its name; without it nothing is asked of its weights. */
  readonly place?: (found: Digest) => Effect.Effect<string, PullFailed>
}

/** What came is looked at before it has a name that lasts; what is not such a file is removed. */
const fetchChecked = Effect.fnUntraced(function*(settings: PullSettings, file: string, partial: string, way: Way) {
  const digest = yield* way.fetch(partial)
  const weights = yield* Effect.tapError(
    checkContent(file, partial, settings.readWeights),
    () => removePartial(partial)
  )
  return { path: file, ...digest, weights } satisfies Obtained
})

/** Fetches a file under its lock, unless it is there; another process that fetches it is waited for. */
export const obtain = Effect.fnUntraced(
  function*(settings: PullSettings, file: string, way: Way) {
    const { events, readWeights, store } = settings
    const take = Effect.fnUntraced(function*(found: Digest) {
      const weights = way.place === undefined || !isModel(file)
        ? []
        : yield* Effect.flatMap(way.place(found), readWeights)
      const stored: Obtained = { path: file, ...found, weights }
      yield* events.onFile(stored, "present")
      return stored
    })
    const before = yield* way.find
    if (before !== undefined) return yield* take(before)
    // What looks into a model goes by its name.
    const partial = yield* store.partial(isModel(file) ? `${way.key}.onnx` : way.key)
    const lock = yield* holdLock(`${partial}.lock`, { wait: true, onWait: (owner) => events.onWait(file, owner) })
    const meanwhile = yield* way.find
    if (meanwhile !== undefined) return yield* take(meanwhile)
    const stored = yield* fetchChecked(settings, file, partial, way)
    yield* lock.check
    yield* store.adopt(partial, stored.sha256)
    yield* removePartial(partial)
    yield* events.onFile(stored, "fetched")
    return stored
  },
  Effect.scoped
)

/** Obtains files, and the weights that models among them name. `model` is the one that names the file. */
export const obtainAll = Effect.fnUntraced(function*(
  files: ReadonlyArray<string>,
  obtainOne: (file: string, model: string | undefined) => Effect.Effect<Obtained, PullFailed | SourceRefused>
) {
  const stored: Array<StoredFile> = []
  const namedBy = new Map<string, string | undefined>(files.map((file) => [file, undefined]))
  // Those that are added meanwhile come in their turn.
  for (const [file, model] of namedBy) {
    const { path, sha256, size, weights } = yield* obtainOne(file, model)
    stored.push({ path, sha256, size })
    for (const location of weights) {
      const place = yield* Effect.fromResult(weightsPlace(file, location))
      if (!namedBy.has(place)) namedBy.set(place, file)
    }
  }
  return stored
})

/** Fetches a file from an address. */
export const fetchOver =
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

/** Copies a file of this machine. */
export const fetchLocal = (settings: PullSettings, path: string, file: string): Fetch => (partial) =>
  copyLocal(path, partial, settings.maxSize, (received, total) => settings.events.onProgress(file, received, total))

/** Lets plugins find beside the model what the repository keeps at its top. */
export const completeSnapshot = Effect.fnUntraced(function*(
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
