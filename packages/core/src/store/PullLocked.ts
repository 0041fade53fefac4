/**
 * Gets exactly the files that a lock names, from where they were got.
 */
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { resolveUrl } from "./HubClient.ts"
import { listLocal } from "./LocalFiles.ts"
import type { LockedModel } from "./ModelLock.ts"
import { type ModelSource, webUrl } from "./ModelSource.ts"
import type { StoredFile } from "./ModelStore.ts"
import {
  completeSnapshot,
  type Fetch,
  fetchLocal,
  fetchOver,
  obtain,
  present,
  type Pulled,
  type PullSettings
} from "./ObtainFile.ts"
import { PullFailed } from "./StoreErrors.ts"

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
  const url = source._tag === "Hub"
    ? resolveUrl(settings.hub, source.repository, revision, file.path)
    : webUrl(source, file.path)
  return fetchOver(settings, { file: file.path, url, sha256: file.sha256, size: file.size })
})

const edited = (source: ModelSource, file: StoredFile, size: number | undefined): PullFailed =>
  new PullFailed({
    kind: "checksum",
    reason: `the lock file gives ${file.path} of ${source.text} ${file.size} bytes, and what its SHA-256 names has ` +
      `${size}: one of them was edited; take back the edit, or pull ${source.text} by name to lock it anew`
  })

/** Gets exactly what a lock names; what is in the store is read again and checked, what is damaged is fetched anew. */
export const pullLocked = Effect.fn("PullLocked.pullLocked")(function*(
  settings: PullSettings,
  source: ModelSource,
  { files, revision }: LockedModel
): Effect.fn.Return<Pulled, PullFailed> {
  const { events, store } = settings
  yield* store.sweep
  const stored = yield* Effect.forEach(
    files,
    Effect.fnUntraced(function*(file) {
      if (yield* store.verify(file.sha256)) {
        const size = yield* store.has(file.sha256)
        if (size !== file.size) return yield* edited(source, file, size)
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
      const { path, sha256, size } = yield* obtain(settings, file.path, {
        key: file.sha256,
        find: present(settings, file),
        fetch: yield* fetchLocked(settings, source, revision, file)
      })
      return { path, sha256, size }
    })
  )
  return yield* completeSnapshot(settings, source, revision, stored)
})
