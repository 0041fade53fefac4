/**
 * The lock file: which files of which revision of which source are this installation's, to the byte. It is kept with
 * the configuration, so that another machine gets the same.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as NodeFs from "node:fs/promises"
import { fileNameMistake } from "./FileName.ts"
import { storeCall, writeWhole } from "./ModelStore.ts"
import { hasCode, PullFailed } from "./StoreErrors.ts"

const FileName = Schema.String.check(
  Schema.makeFilter((name) => fileNameMistake(name), { expected: "a file's name within its folder" })
)

const LockedFile = Schema.Struct({
  path: FileName,
  sha256: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/, { expected: "a SHA-256 in hexadecimal" })),
  size: Schema.Natural
})

const LockedModel = Schema.Struct({
  /** As `parseSource` reads it. */
  source: Schema.NonEmptyString,
  /** The hub's commit; of other sources a digest of the files. */
  revision: FileName,
  files: Schema.Array(LockedFile).check(Schema.isMinLength(1, { expected: "the files of the model, at least one" }))
})
export interface LockedModel extends Schema.Schema.Type<typeof LockedModel> {}

const LockFile = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(1), models: Schema.Array(LockedModel) }))

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The lock's text: models and files in the order of their names, so that a diff shows what changed. */
export const renderLock = (models: ReadonlyArray<LockedModel>): string => {
  const ordered = models.toSorted((a, b) => byName(a.source, b.source)).map(({ files, revision, source }) => ({
    source,
    revision,
    files: files.toSorted((a, b) => byName(a.path, b.path)).map(({ path, sha256, size }) => ({ path, sha256, size }))
  }))
  return `${JSON.stringify({ version: 1, models: ordered }, null, 2)}\n`
}

/**
 * The models with this one: in place of what another revision of its source had, and beside what the same revision
 * has. Pure.
 */
export const withLocked = (
  models: ReadonlyArray<LockedModel>,
  added: LockedModel
): ReadonlyArray<LockedModel> => {
  const before = models.find(({ source }) => source === added.source)
  const kept = before?.revision === added.revision
    ? before.files.filter(({ path }) => !added.files.some((file) => file.path === path))
    : []
  return [...models.filter(({ source }) => source !== added.source), { ...added, files: [...kept, ...added.files] }]
}

export const parseLock = (text: string, path: string): Effect.Effect<ReadonlyArray<LockedModel>, PullFailed> =>
  Schema.decodeUnknownEffect(LockFile)(text).pipe(
    Effect.map(({ models }) => models),
    Effect.mapError((cause) =>
      new PullFailed({ kind: "store", reason: `${path} is not a lock file of this version: ${cause.message}`, cause })
    )
  )

/** What the lock file says; nothing where there is none. */
export const readLock = (path: string): Effect.Effect<ReadonlyArray<LockedModel>, PullFailed> =>
  storeCall(path, () => NodeFs.readFile(path, "utf8")).pipe(
    Effect.flatMap((text) => parseLock(text, path)),
    Effect.catchIf(
      ({ cause }) => hasCode(cause, "ENOENT"),
      (): Effect.Effect<ReadonlyArray<LockedModel>> => Effect.succeed([])
    )
  )

/** Replaces the lock file as a whole. */
export const writeLock = (path: string, models: ReadonlyArray<LockedModel>): Effect.Effect<void, PullFailed> =>
  writeWhole(path, renderLock(models))
