/**
 * Pulls a source, or all that the lock file names, and writes down what came.
 */
import { sweepBeside } from "@sluice/core/store/Leftovers"
import { type LockedModel, readLock, renderLock, withLocked, writeLock } from "@sluice/core/store/ModelLock"
import { parseSource, type SourceRules } from "@sluice/core/store/ModelSource"
import { storeCall } from "@sluice/core/store/ModelStore"
import type { Pulled, PullSettings } from "@sluice/core/store/ObtainFile"
import { holdLock } from "@sluice/core/store/OwnedLock"
import { pullSource } from "@sluice/core/store/Pull"
import { pullLocked } from "@sluice/core/store/PullLocked"
import type { PullFailed, SourceRefused } from "@sluice/core/store/StoreErrors"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { mkdir } from "node:fs/promises"
import { dirname } from "node:path"
import { type CommandFailed, failed, misused } from "../CommandFailed.ts"
import { type Output, printJson } from "../OutputFlag.ts"
import { renderTable } from "../Table.ts"
import { sizeText } from "./ProgressBar.ts"
import { pullProgress } from "./PullProgress.ts"
import { type PullChoice, pullSettings } from "./PullSettings.ts"

export interface PullOptions extends PullChoice {
  readonly source: Option.Option<string>
  readonly output: Output
}

/** What of a pull did not work is the command's failure: the caller's where the source is none. */
export const asCommandFailure = (error: PullFailed | SourceRefused): CommandFailed =>
  error._tag === "SourceRefused" ? misused(error.reason) : failed(error.reason, error)

/** One at a time: each adds to what the last has written. What is written down already is left alone. */
const noteInLock = Effect.fnUntraced(
  function*(path: string, { files, revision, source }: Pulled, { events }: PullSettings) {
    const add = (models: ReadonlyArray<LockedModel>) => withLocked(models, { source, revision, files })
    const before = yield* readLock(path)
    if (renderLock(add(before)) === renderLock(before)) return
    yield* storeCall(path, () => mkdir(dirname(path), { recursive: true }))
    // Beside the file that it guards: the store may be one that is only read.
    yield* holdLock(`${path}.lock`, { wait: true, onWait: (owner) => events.onWait(path, owner) })
    yield* sweepBeside(path)
    yield* writeLock(path, add(yield* readLock(path)))
  },
  Effect.scoped
)

/** Pulls what the lock names of a source. */
const pullEntry = Effect.fnUntraced(function*(settings: PullSettings, entry: LockedModel, rules: SourceRules) {
  return yield* pullLocked(settings, yield* Effect.fromResult(parseSource(entry.source, rules)), entry)
})

/** Offline there is only what the lock file has of a source. */
const checkOffline = (entry: LockedModel, { revision }: PullChoice, files: ReadonlyArray<string>) => {
  const wanted = Option.getOrElse(revision, () => entry.revision)
  const missing = files.find((file) => !entry.files.some(({ path }) => path === file))
  if (wanted === entry.revision && missing === undefined) return Result.void
  return Result.fail(misused(
    missing === undefined
      ? `${entry.source} is locked at ${entry.revision}, and offline nothing else is known of ${wanted}`
      : `${entry.source} is locked without ${missing}: pull it once with the network`
  ))
}

/** Pulls a source as it is now; offline, as the lock file has it. */
export const pullOne = Effect.fnUntraced(function*(text: string, choice: PullChoice) {
  const { files, revision, rules, settings } = yield* pullSettings(choice, pullProgress(process.stderr))
  const source = yield* Effect.fromResult(parseSource(text, rules))
  const entry = settings.offline
    ? (yield* readLock(choice.lock)).find(({ source: known }) => known === source.text)
    : undefined
  if (entry !== undefined) {
    yield* Effect.fromResult(checkOffline(entry, choice, files))
    return yield* pullEntry(settings, entry, rules)
  }
  const pulled = yield* pullSource(settings, source, { files, revision })
  yield* noteInLock(choice.lock, pulled, settings)
  return pulled
})

const pullAll = Effect.fnUntraced(function*(choice: PullChoice) {
  const { rules, settings } = yield* pullSettings(choice, pullProgress(process.stderr))
  const entries = yield* readLock(choice.lock)
  if (entries.length === 0) {
    return yield* misused(`${choice.lock} names no models: give a source to pull, such as hf:org/name`)
  }
  return yield* Effect.forEach(entries, (entry) => pullEntry(settings, entry, rules))
})

const render = (pulled: ReadonlyArray<Pulled>): string =>
  pulled.map(({ files, folder, revision, source }) =>
    [
      renderTable(["FILE", "SIZE", "SHA256"], files.map(({ path, sha256, size }) => [path, sizeText(size), sha256])),
      "",
      `${source} at ${revision}`,
      `is in ${folder}`
    ].join("\n")
  ).join("\n\n")

export const runPull = Effect.fnUntraced(
  function*({ output, source, ...choice }: PullOptions) {
    const pulled = Option.isSome(source) ? [yield* pullOne(source.value, choice)] : yield* pullAll(choice)
    yield* Console.log(output === "json" ? printJson({ lock: choice.lock, models: pulled }) : render(pulled))
  },
  Effect.catchTags({
    SourceRefused: (error) => Effect.fail(asCommandFailure(error)),
    PullFailed: (error) => Effect.fail(asCommandFailure(error))
  })
)
