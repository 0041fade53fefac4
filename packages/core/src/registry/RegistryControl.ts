/**
 * The registry that is served, and how it becomes another: by its file, which is watched, and by callers, whose text becomes
 * the file. One change at a time; what cannot be served as a whole changes nothing.
 */
import { type ChangeRefused, RegistryInvalid, RevisionConflict } from "@sluice/domain/Errors"
import type { RegistryApplied, RegistryStatus } from "@sluice/domain/RegistryStatus"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type { ConfigError } from "../config/ConfigError.ts"
import { parseYaml } from "../config/YamlDocument.ts"
import { readText } from "../config/YamlFile.ts"
import { AuditLog } from "./AuditLog.ts"
import { entityTagOf, matchesTag } from "./EntityTag.ts"
import { prepareReplacement, removeLeftovers } from "./FileReplacement.ts"
import { defaultWatchTiming, fingerprintOf, watchFile, type WatchTiming } from "./FileWatch.ts"
import type { RegistryChange } from "./RegistryChange.ts"
import { decodeRegistry } from "./RegistryDecode.ts"
import type { Registry } from "./RegistryEntry.ts"
import { checkRegistry, type RegistrySource } from "./RegistryFile.ts"
import { RegistryHost } from "./RegistryHost.ts"
import { mistakeSentences } from "./RegistryMistakes.ts"
import type { EntryRefused } from "./VersionPlan.ts"

export interface ApplyRequest {
  /** As the audit log names who asks. */
  readonly by: string
  /** The `If-Match` header. */
  readonly ifMatch?: string | undefined
  /** Whether to say what would change, and change nothing. */
  readonly dryRun?: boolean
  readonly requestId?: string
}

export interface RegistryControlOptions {
  /** The registry file, as the operator gave it. */
  readonly file: string
  /** What the server was started with. */
  readonly source: RegistrySource
  readonly watch?: WatchTiming
}

interface Served extends RegistrySource {
  readonly etag: string
  readonly appliedAt: string
  readonly by: string
}

/** Why the file as it is now is not served. */
interface Pending {
  readonly mistakes: ReadonlyArray<string>
  /** Whether it may become right without being changed, as when a model's file is still on its way. */
  readonly passing: boolean
}

type Refusal = RegistryInvalid | RevisionConflict | ChangeRefused

const noChange: RegistryChange = { added: [], changed: [], removed: [], rerouted: [] }

const fileChanger = "file"

/** How often a registry whose model files are missing is tried again. */
const retryEvery = Duration.seconds(2)

const sentenceOf = (change: RegistryChange): string =>
  Object.entries(change).flatMap(([kind, names]) => names.length === 0 ? [] : [`${kind} ${names.join(", ")}`]).join(
    "; "
  ) ||
  "nothing of what is served"

/** Whether all that is wrong can be mended without changing the text: files that it names are missing. */
const isWellFormed = (text: string, file: string): boolean =>
  Result.isSuccess(Result.flatMap(parseYaml(text, file), decodeRegistry))

const make = Effect.fnUntraced(function*({ file, source, watch = defaultWatchTiming }: RegistryControlOptions) {
  const host = yield* RegistryHost
  const audit = yield* AuditLog
  const lock = yield* Semaphore.make(1)
  const scope = yield* Effect.scope
  const nowText = Effect.map(Clock.currentTimeMillis, (ms) => new Date(ms).toISOString())

  let served: Served = { ...source, etag: entityTagOf(source.text), appliedAt: yield* nowText, by: "start" }
  let pending: Pending | undefined
  /** The tag of the file as it was last taken up, served or not; undefined where it could not be read. */
  let taken: string | undefined = served.etag

  const serve = Effect.fnUntraced(function*(text: string, registry: Registry, by: string) {
    served = { text, registry, etag: entityTagOf(text), appliedAt: yield* nowText, by }
    yield* Effect.forkIn(Effect.interruptible(reportProblems(served.etag, by)), scope)
  })

  /** What was taken may turn out not to load, which its caller does not wait for. */
  const reportProblems = Effect.fnUntraced(function*(etag: string, by: string) {
    yield* host.settled
    const problems = yield* host.problems
    if (problems.length === 0 || served.etag !== etag) return
    yield* audit.record({ by, action: "registry.load", detail: problems.join("; "), outcome: "refused" })
  })

  /** One change at a time, and once begun each is finished, whoever leaves meanwhile. */
  const alone = <A, E, R>(change: Effect.Effect<A, E, R>) => Semaphore.withPermit(lock)(Effect.uninterruptible(change))

  const fileTag = Effect.map(
    Effect.result(readText(file)),
    (text) => Result.isSuccess(text) ? entityTagOf(text.success) : undefined
  )

  const checkMatch = Effect.fnUntraced(function*(ifMatch: string | undefined) {
    if (ifMatch === undefined) return
    if (!matchesTag(ifMatch, served.etag)) return yield* new RevisionConflict({ current: served.etag })
    // Somebody wrote the file, and this process has not come to look at it yet.
    const present = yield* fileTag
    if (present !== undefined && present !== taken) return yield* new RevisionConflict({ current: present })
  })

  const invalid = (error: ConfigError | EntryRefused) =>
    new RegistryInvalid({ mistakes: mistakeSentences(error, file) })

  /** Serves the registry and makes it the file; where the file then cannot be replaced, what was served is again. */
  const replace = Effect.fnUntraced(function*(text: string, registry: Registry, by: string) {
    const replacement = yield* prepareReplacement(file, text)
    const change = yield* Effect.mapError(host.apply(registry), invalid)
    yield* Effect.tapError(replacement.commit, () => Effect.mapError(host.apply(served.registry), invalid))
    yield* serve(text, registry, by)
    taken = served.etag
    pending = undefined
    return change
  }, Effect.scoped)

  const preview = Effect.fnUntraced(function*(text: string, ifMatch: string | undefined) {
    yield* checkMatch(ifMatch)
    if (entityTagOf(text) === served.etag) return noChange
    const registry = yield* Effect.mapError(checkRegistry(text, file), invalid)
    return yield* Effect.mapError(host.preview(registry), invalid)
  })

  /** Undefined where the text is served already, and the file has it. */
  const change = Effect.fnUntraced(function*(text: string, { by, ifMatch }: ApplyRequest) {
    yield* checkMatch(ifMatch)
    const etag = entityTagOf(text)
    if (etag !== served.etag) {
      return yield* replace(text, yield* Effect.mapError(checkRegistry(text, file), invalid), by)
    }
    return (yield* fileTag) === etag ? undefined : yield* replace(text, served.registry, by)
  })

  const apply = Effect.fn("RegistryControl.apply")(
    function*(text: string, request: ApplyRequest): Effect.fn.Return<RegistryApplied, Refusal> {
      const { by, dryRun = false, ifMatch, requestId } = request
      const etag = entityTagOf(text)
      if (dryRun) return { dry_run: true, etag, ...(yield* preview(text, ifMatch)) }
      const entry = { by, action: "registry.apply", ...(requestId === undefined ? {} : { request_id: requestId }) }
      const made = yield* Effect.tapError(
        change(text, request),
        ({ message }) => audit.record({ ...entry, detail: message, outcome: "refused" })
      )
      if (made === undefined) return { dry_run: false, etag, ...noChange }
      yield* audit.record({ ...entry, detail: sentenceOf(made), change: made, outcome: "applied" })
      return { dry_run: false, etag, ...made }
    },
    alone
  )

  /** Says so once for the same mistakes, however often the file is looked at. */
  const refuseFile = Effect.fnUntraced(function*(error: ConfigError | EntryRefused, passing: boolean) {
    const mistakes = mistakeSentences(error, file)
    const known = pending !== undefined && pending.mistakes.join("\n") === mistakes.join("\n")
    pending = { mistakes, passing }
    if (known) return
    yield* Effect.logError(
      `the registry file was changed and is not served; what was served before is:\n${error.message}`
    )
    yield* audit.record({ by: fileChanger, action: "registry.apply", detail: mistakes.join("; "), outcome: "refused" })
  })

  /** Serves the file as it is now, unless it is served already or was refused as it is. */
  const takeUp = Effect.gen(function*() {
    const fingerprint = yield* fingerprintOf(file)
    const read = yield* Effect.result(readText(file))
    // It is being written: whoever watches looks again.
    if ((yield* fingerprintOf(file)) !== fingerprint) return
    if (Result.isFailure(read)) {
      taken = undefined
      return yield* refuseFile(read.failure, false)
    }
    const text = read.success
    const etag = entityTagOf(text)
    if (etag === taken && pending?.passing !== true) return
    taken = etag
    if (etag === served.etag) {
      pending = undefined
      return yield* Effect.logInfo("the registry file is again the one that is served")
    }
    const checked = yield* Effect.result(checkRegistry(text, file))
    if (Result.isFailure(checked)) return yield* refuseFile(checked.failure, isWellFormed(text, file))
    const applied = yield* Effect.result(host.apply(checked.success))
    if (Result.isFailure(applied)) return yield* refuseFile(applied.failure, false)
    yield* serve(text, checked.success, fileChanger)
    pending = undefined
    const change = applied.success
    yield* audit.record({
      by: fileChanger,
      action: "registry.apply",
      detail: sentenceOf(change),
      change,
      outcome: "applied"
    })
  }).pipe(alone)

  yield* removeLeftovers(file)
  yield* watchFile(file, takeUp, watch)
  yield* Effect.suspend(() => pending?.passing === true ? takeUp : Effect.void).pipe(
    Effect.repeat(Schedule.spaced(retryEvery)),
    Effect.forkScoped
  )

  return RegistryControl.of({
    current: Effect.sync(() => ({ text: served.text, etag: served.etag })),
    status: Effect.map(host.problems, (problems) => ({
      etag: served.etag,
      applied_at: served.appliedAt,
      by: served.by,
      pending_error: pending?.mistakes ?? (problems.length === 0 ? null : problems)
    })),
    apply
  })
})

export class RegistryControl extends Context.Service<RegistryControl, {
  /** The text of the registry that is served, with its strong entity tag. */
  readonly current: Effect.Effect<{ readonly text: string; readonly etag: string }>
  readonly status: Effect.Effect<RegistryStatus>
  /** Serves this text and makes it the registry file, or refuses it and changes nothing. The same text again is no change. */
  readonly apply: (text: string, request: ApplyRequest) => Effect.Effect<RegistryApplied, Refusal>
}>()("sluice/core/RegistryControl") {
  /** Watches the file for as long as the layer lives. */
  static readonly layer = (
    options: RegistryControlOptions
  ): Layer.Layer<RegistryControl, never, RegistryHost | AuditLog> => Layer.effect(RegistryControl, make(options))
}
