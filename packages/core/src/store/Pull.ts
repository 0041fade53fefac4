/**
 * Gets the files that a source has now into the store.
 */
import * as Effect from "effect/Effect"
import { join, posix } from "node:path"
import { checkWeights } from "./ExternalWeights.ts"
import { describeFile, type HubFile, readRevision, resolveUrl } from "./HubClient.ts"
import { listLocal } from "./LocalFiles.ts"
import { type ModelSource, sourceFolder, webUrl } from "./ModelSource.ts"
import { digestFile, type StoredFile } from "./ModelStore.ts"
import {
  completeSnapshot,
  type Digest,
  digestOf,
  fetchLocal,
  fetchOver,
  obtain,
  obtainAll,
  present,
  type Pulled,
  type PullSettings
} from "./ObtainFile.ts"
import { chooseFiles } from "./SnapshotFiles.ts"
import { PullFailed, SourceRefused } from "./StoreErrors.ts"

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
  const stored = yield* obtainAll(
    chosen,
    Effect.fnUntraced(function*(path, model) {
      const listed = files.find((file) => file.path === path)
      if (listed === undefined) {
        return yield* new SourceRefused({
          reason: `${source.text} at ${revision} has no file ${path}` +
            (model === undefined ? "" : `, in which its ${model} keeps weights: choose another model by --file`)
        })
      }
      const file = yield* describeFile(hub, source.repository, commit, listed)
      // Linked as it comes, so that a pull that is killed finds it again.
      const link = ({ sha256 }: Digest) => settings.store.link(sourceFolder(source), commit, path, sha256)
      const got = yield* obtain(settings, path, {
        key: file.sha256 ?? digestOf(source.text, commit, path),
        find: file.sha256 === undefined
          ? linkedBefore(settings, source, commit, file)
          : present(settings, { sha256: file.sha256, ...(file.size === undefined ? {} : { size: file.size }) }),
        fetch: fetchOver(settings, { ...file, file: path, url: resolveUrl(hub, source.repository, commit, path) }),
        place: link
      })
      yield* link(got)
      return got
    })
  )
  return yield* completeSnapshot(settings, source, commit, stored)
})

/** Of sources that have no revisions: what the files are. */
const contentRevision = (files: ReadonlyArray<StoredFile>): string =>
  digestOf(...files.map(({ path, sha256 }) => `${path} ${sha256}`).toSorted()).slice(0, 40)

const pullLocal = Effect.fnUntraced(function*(
  settings: PullSettings,
  source: Extract<ModelSource, { readonly _tag: "Local" }>,
  wanted: ReadonlyArray<string>
) {
  const { files, folder, named } = yield* listLocal(source.path)
  const chosen = yield* Effect.fromResult(
    chooseFiles(files, wanted.length > 0 || named === undefined ? wanted : [named])
  ).pipe(Effect.mapError(({ reason }) => new SourceRefused({ reason: `${source.path}: ${reason}` })))
  const stored = yield* obtainAll(
    chosen,
    Effect.fnUntraced(function*(file, model) {
      const path = join(folder, file)
      if (model !== undefined) {
        yield* checkWeights(join(folder, model), [posix.relative(posix.dirname(model), file)])
      }
      return yield* obtain(settings, file, {
        key: digestOf(source.text, file),
        find: Effect.flatMap(digestFile(path), (digest) => present(settings, digest)),
        fetch: fetchLocal(settings, path, file),
        place: () => Effect.succeed(path)
      })
    })
  )
  return yield* completeSnapshot(settings, source, contentRevision(stored), stored)
})

const pullWeb = Effect.fnUntraced(function*(
  settings: PullSettings,
  source: Extract<ModelSource, { readonly _tag: "Web" }>
) {
  const stored = yield* obtainAll([source.file], (file) =>
    obtain(settings, file, {
      key: digestOf(source.text, file),
      find: Effect.undefined,
      fetch: fetchOver(settings, { file, url: webUrl(source, file) })
    }))
  return yield* completeSnapshot(settings, source, contentRevision(stored), stored)
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
  yield* settings.store.sweep
  if (source._tag === "Local") return yield* pullLocal(settings, source, files)
  if (settings.offline) return yield* offlineOnly(source.text)
  return yield* source._tag === "Hub"
    ? pullHub(settings, source, revision, files)
    : pullWeb(settings, source)
})
