/**
 * Who changed what is served, when and by what; refused attempts too. Kept in memory, and in a file of JSON lines where one
 * is configured.
 */
import { AuditEntry } from "@sluice/domain/AuditEntry"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as NodeFs from "node:fs/promises"
import { ConfigError } from "../config/ConfigError.ts"
import { describeFileError } from "../config/YamlFile.ts"

/** An entry before it has its time. */
export type AuditRecord = Omit<AuditEntry, "at">

/** How many entries are kept in memory, and given at once. */
export const mostEntries = 1000

/** What is read of a file's end: a thousand entries of a usual size are in less. */
const tailBytes = 1024 * 1024

const decodeEntry = Schema.decodeUnknownResult(Schema.fromJsonString(AuditEntry))

/** The last bytes of a file as lines, without the part of a line that they may begin with. */
const readTail = async (file: string): Promise<ReadonlyArray<string>> => {
  const handle = await NodeFs.open(file, "r")
  try {
    const { size } = await handle.stat()
    const start = Math.max(0, size - tailBytes)
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(size - start), position: start })
    const lines = buffer.toString("utf8", 0, bytesRead).split("\n")
    return start === 0 ? lines : lines.slice(1)
  } finally {
    await handle.close()
  }
}

interface Store {
  readonly append: (entry: AuditEntry) => Effect.Effect<void>
  /** Oldest first. */
  readonly entries: Effect.Effect<ReadonlyArray<AuditEntry>>
}

const memoryStore = (): Store => {
  const kept: Array<AuditEntry> = []
  return {
    append: (entry) =>
      Effect.sync(() => {
        kept.push(entry)
        if (kept.length > mostEntries) kept.shift()
      }),
    entries: Effect.sync(() => kept)
  }
}

/** Several processes may append to one file, and what a rotation moved away stays there: it is opened for each line. */
const fileStore = Effect.fnUntraced(function*(file: string): Effect.fn.Return<Store, ConfigError> {
  const append = (text: string) =>
    Effect.tryPromise({
      try: () => NodeFs.appendFile(file, text, { mode: 0o640 }),
      catch: (cause) => {
        const problem = `the audit log cannot be written: ${describeFileError(cause)}`
        return new ConfigError({ mistakes: [{ source: file, problem }], cause })
      }
    })
  // An audit log that cannot be kept should be known before there is something to keep.
  yield* append("")
  const memory = memoryStore()
  const lock = yield* Semaphore.make(1)
  return {
    append: (entry) =>
      Semaphore.withPermit(lock)(append(`${JSON.stringify(entry)}\n`)).pipe(
        Effect.catch((error) => Effect.logError(error.message, error.cause)),
        Effect.andThen(memory.append(entry))
      ),
    entries: Effect.tryPromise({ try: () => readTail(file), catch: (cause) => cause }).pipe(
      Effect.map((lines) =>
        lines.map((line) => decodeEntry(line)).filter(Result.isSuccess).map(({ success }) => success)
      ),
      Effect.catch((cause) =>
        Effect.andThen(Effect.logWarning(`${file}: the audit log cannot be read`, cause), memory.entries)
      )
    )
  }
})

const sentenceOf = ({ action, by, detail, model, outcome }: AuditEntry): string =>
  `${outcome === "refused" ? "refused: " : ""}${action}${model === undefined ? "" : ` of ${model}`} by ${by}: ${detail}`

export class AuditLog extends Context.Service<AuditLog, {
  /** Never fails what it records: a log that cannot be written is an error in the server's own log. */
  readonly record: (entry: AuditRecord) => Effect.Effect<void>
  /** The last ones, newest first; at most `mostEntries`. */
  readonly last: (limit: number) => Effect.Effect<ReadonlyArray<AuditEntry>>
}>()("sluice/core/AuditLog") {
  /** Fails where the file cannot be written. Without a file, entries are kept for as long as the process lives. */
  static readonly layer = (file: string | undefined): Layer.Layer<AuditLog, ConfigError> =>
    Layer.effect(
      AuditLog,
      Effect.gen(function*() {
        const store = file === undefined ? memoryStore() : yield* fileStore(file)
        return AuditLog.of({
          record: Effect.fnUntraced(function*(record) {
            const entry: AuditEntry = { at: new Date(yield* Clock.currentTimeMillis).toISOString(), ...record }
            yield* store.append(entry)
            yield* Effect.annotateLogs(Effect.logInfo(sentenceOf(entry)), { audit: entry })
          }),
          last: (limit) =>
            Effect.map(store.entries, (entries) => entries.slice(-Math.min(limit, mostEntries)).toReversed())
        })
      })
    )
}
