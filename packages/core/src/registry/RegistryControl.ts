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
import * as Fiber from "effect/Fiber"
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
import { takeTurn } from "./FileTurn.ts"
import { defaultWatchTiming, fingerprintOf, watchFile, type WatchTiming } from "./FileWatch.ts"
import { type LastKnownGood, nothingKept } from "./LastKnownGood.ts"
import { keepProven } from "./ProvenDefaults.ts"
import { describeChange, noChange } from "./RegistryChange.ts"
import { decodeRegistry } from "./RegistryDecode.ts"
import type { Registry } from "./RegistryEntry.ts"
import { checkRegistry, type RegistrySource } from "./RegistryFile.ts"
import { RegistryHost } from "./RegistryHost.ts"
import { mistakeSentences } from "./RegistryMistakes.ts"
import type { RefusedFile, RegistryStart } from "./RegistryStart.ts"
import { recoverDefaults } from "./StartRecovery.ts"
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
  readonly start: RegistryStart
  /** Where what serves as it says is kept for the next start. */
  readonly kept?: LastKnownGood
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

const fileChanger = "file"

/** How often a registry whose model files are missing is tried again. */
const retryEvery = Duration.seconds(2)

/** Whether all that is wrong can be mended without changing the text: files that it names are missing. */
const isWellFormed = (text: string, file: string): boolean =>
  Result.isSuccess(Result.flatMap(parseYaml(text, file), decodeRegistry))

/** Who serves what was kept, in the status. */
const lastServed = "last_known_good"

const make = Effect.fnUntraced(function*(options: RegistryControlOptions) {
  const { file, kept = nothingKept, start: { refused, source }, watch = defaultWatchTiming } = options
  const host = yield* RegistryHost
  const audit = yield* AuditLog
  const lock = yield* Semaphore.make(1)
  const scope = yield* Effect.scope
  const nowText = Effect.map(Clock.currentTimeMillis, (ms) => new Date(ms).toISOString())

  let served: Served = {
    ...source,
    etag: entityTagOf(source.text),
    appliedAt: yield* nowText,
    by: refused === undefined ? "start" : lastServed
  }
  let pending: Pending | undefined
  /** Models that are not kept, for their default was not loaded yet; undefined where there are none. */
  let keptWithout: string | undefined
  /** The tag of the file as it was last taken up, served or not; undefined where it could not be read. */
  let taken = refused === undefined
    ? served.etag
    : refused.text === undefined
    ? undefined
    : entityTagOf(refused.text)

  const serve = Effect.fnUntraced(function*(text: string, registry: Registry, by: string) {
    served = { text, registry, etag: entityTagOf(text), appliedAt: yield* nowText, by }
    keptWithout = undefined
    yield* Effect.forkIn(Effect.interruptible(report(served)), scope)
  })

  const keepGood = Effect.suspend(() => keepProven(kept, file, served)).pipe(
    Effect.map((without) => void (keptWithout = without)),
    Effect.provideService(RegistryHost, host)
  )

  /** A default that was put away from the start has loaded for a caller since. */
  const keepLater = Effect.suspend(() =>
    keptWithout === undefined ? Effect.void : Effect.flatMap(
      host.unprovenDefaults,
      (unproven) => unproven.join("\n") === keptWithout ? Effect.void : keepGood
    )
  )

  /** What was taken may turn out not to load, which its caller does not wait for. Else it is what a restart goes on with. */
  const report = Effect.fnUntraced(function*({ by, etag }: Served) {
    yield* host.settled
    if (served.etag !== etag) return
    yield* keepGood
    const problems = yield* host.problems
    if (problems.length === 0) return
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
    // Who saw a text that another process wrote may go on from there, before this process has come to look at it.
    if (ifMatch !== undefined && !matchesTag(ifMatch, served.etag)) yield* look
    yield* checkMatch(ifMatch)
    const etag = entityTagOf(text)
    const isServed = etag === served.etag
    if (isServed && (yield* fileTag) === etag) return undefined
    const registry = isServed ? served.registry : yield* Effect.mapError(checkRegistry(text, file), invalid)
    // Read, compared and written in one turn: other processes write this file, too.
    yield* takeTurn(file)
    yield* checkMatch(ifMatch)
    return yield* replace(text, registry, by)
  }, Effect.scoped)

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
      yield* audit.record({ ...entry, detail: describeChange(made), change: made, outcome: "applied" })
      return { dry_run: false, etag, ...made }
    },
    alone
  )

  /** Says so once for the same mistakes, however often the file is looked at. */
  const refuseFile = Effect.fnUntraced(function*({ error, text }: RefusedFile) {
    const mistakes = mistakeSentences(error, file)
    const known = pending !== undefined && pending.mistakes.join("\n") === mistakes.join("\n")
    pending = { mistakes, passing: error._tag === "ConfigError" && text !== undefined && isWellFormed(text, file) }
    if (known) return
    yield* Effect.logError(`the registry file is not served as it is now; what served before is:\n${error.message}`)
    yield* audit.record({ by: fileChanger, action: "registry.apply", detail: mistakes.join("; "), outcome: "refused" })
  })

  /** Serves the file as it is now, unless it is served already or was refused as it is. */
  const look = Effect.gen(function*() {
    const fingerprint = yield* fingerprintOf(file)
    const read = yield* Effect.result(readText(file))
    // It is being written: whoever watches looks again.
    if ((yield* fingerprintOf(file)) !== fingerprint) return
    if (Result.isFailure(read)) {
      taken = undefined
      return yield* refuseFile({ text: undefined, error: read.failure })
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
    if (Result.isFailure(checked)) return yield* refuseFile({ text, error: checked.failure })
    const applied = yield* Effect.result(host.apply(checked.success))
    if (Result.isFailure(applied)) return yield* refuseFile({ text, error: applied.failure })
    yield* serve(text, checked.success, fileChanger)
    pending = undefined
    const change = applied.success
    yield* audit.record({
      by: fileChanger,
      action: "registry.apply",
      detail: describeChange(change),
      change,
      outcome: "applied"
    })
  })
  const takeUp = alone(look)

  /** False once another registry is served than the one that was started with. */
  const applyWhileFirst = (registry: Registry) =>
    alone(
      Effect.suspend(() =>
        served.registry === source.registry ? Effect.as(host.apply(registry), true) : Effect.succeed(false)
      )
    )

  const begin = Effect.gen(function*() {
    yield* host.settled
    const models = yield* recoverDefaults(source.registry, { kept, file }, applyWhileFirst)
    if (models.length > 0) yield* Effect.logWarning(`${models.join(", ")} went back to what served last`)
  }).pipe(
    Effect.catch((error) =>
      Effect.logWarning(`the registry that served last cannot be served either:\n${error.message}`)
    ),
    Effect.andThen(Effect.suspend(() => report(served)))
  )

  if (refused !== undefined) yield* refuseFile(refused)
  yield* removeLeftovers(file)
  const begun = yield* Effect.forkScoped(begin)
  yield* watchFile(file, takeUp, watch)
  yield* Effect.suspend(() => pending?.passing === true ? takeUp : Effect.void).pipe(
    Effect.andThen(alone(keepLater)),
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
    apply,
    takeUp,
    begun: Fiber.await(begun).pipe(Effect.asVoid)
  })
})

export class RegistryControl extends Context.Service<RegistryControl, {
  /** The text of the registry that is served, with its strong entity tag. */
  readonly current: Effect.Effect<{ readonly text: string; readonly etag: string }>
  readonly status: Effect.Effect<RegistryStatus>
  /** Serves this text and makes it the registry file, or refuses it and changes nothing. The same text again is no change. */
  readonly apply: (text: string, request: ApplyRequest) => Effect.Effect<RegistryApplied, Refusal>
  /** Looks at the file now, and serves what is new of it. */
  readonly takeUp: Effect.Effect<void>
  /** Waits until every model of the start has loaded, or went back to what it had before, where that could be. */
  readonly begun: Effect.Effect<void>
}>()("sluice/core/RegistryControl") {
  /** Watches the file for as long as the layer lives. */
  static readonly layer = (
    options: RegistryControlOptions
  ): Layer.Layer<RegistryControl, never, RegistryHost | AuditLog> => Layer.effect(RegistryControl, make(options))
}
