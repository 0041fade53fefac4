/**
 * One file over HTTP into a partial file: resumed where it stopped, bounded while it comes, and checked when it is whole.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { createHash, type Hash } from "node:crypto"
import { constants } from "node:fs"
import * as NodeFs from "node:fs/promises"
import { refusal, transient, unfitBody } from "./AnswerRefusal.ts"
import { persistently } from "./Attempts.ts"
import { type Answer, exchange } from "./Exchange.ts"
import { storeCall, type StoredFile, writeWhole } from "./ModelStore.ts"
import { hasCode, PullFailed } from "./StoreErrors.ts"

export interface Wanted {
  /** As it is shown. */
  readonly file: string
  readonly url: URL
  readonly token?: Redacted.Redacted<string> | undefined
  /** In hexadecimal, where it is known before. */
  readonly sha256?: string | undefined
  /** The digest by which git names the content, where the hub keeps the file in git. */
  readonly gitBlob?: string | undefined
  /** In bytes, where it is known before. */
  readonly size?: number | undefined
  /** In bytes; more than that is not taken. */
  readonly maxSize: number
  /** How many bytes of it there are, each time there are more. */
  readonly onProgress?: (received: number, total: number | undefined) => void
}

/** What was begun, so that only the same content is gone on with. */
const Begun = Schema.fromJsonString(Schema.Struct({ etag: Schema.String }))

/** A tag that promises the same bytes. https://www.rfc-editor.org/rfc/rfc9110#field.etag */
const strongTag = (tag: string | undefined): string | undefined => tag?.startsWith("\"") === true ? tag : undefined

const tooLarge = ({ file, maxSize }: Wanted, size: string): PullFailed =>
  new PullFailed({
    kind: "too-large",
    reason: `${file} has ${size} bytes, and at most ${maxSize} are taken: allow more by --max-size`
  })

interface Growing {
  readonly handle: NodeFs.FileHandle
  readonly path: string
  /** Bytes of it that are there. */
  length: number
  hash: Hash
}

const restart = (growing: Growing): Effect.Effect<void, PullFailed> =>
  storeCall(growing.path, async () => {
    await growing.handle.truncate(0)
    Object.assign(growing, { length: 0, hash: createHash("sha256") })
  })

/** The digest by which git names the content, which begins with its length: known when the file is whole. */
const gitNameOf = ({ handle, length, path }: Growing): Effect.Effect<string, PullFailed> =>
  storeCall(path, async (signal) => {
    const hash = createHash("sha1").update(`blob ${length}\0`)
    for await (const part of handle.createReadStream({ start: 0, autoClose: false, signal })) {
      if (Buffer.isBuffer(part)) hash.update(part)
    }
    return hash.digest("hex")
  })

/** Opens what is there of the file, and hashes it. */
const openPartial = Effect.fnUntraced(function*(path: string) {
  const handle = yield* Effect.acquireRelease(
    storeCall(path, () => NodeFs.open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644)),
    (handle) => Effect.promise(() => handle.close())
  )
  const growing: Growing = { handle, path, length: 0, hash: createHash("sha256") }
  yield* storeCall(path, async (signal) => {
    for await (const part of handle.createReadStream({ start: 0, autoClose: false, signal })) {
      if (!Buffer.isBuffer(part)) continue
      growing.hash.update(part)
      growing.length += part.length
    }
  })
  return growing
})

const begunTag = (path: string): Effect.Effect<string | undefined> =>
  Effect.tryPromise(() => NodeFs.readFile(`${path}.json`, "utf8")).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Begun)),
    Effect.map(({ etag }) => etag),
    // Without it the file is begun anew, which costs a transfer and nothing else.
    Effect.catch(() => Effect.undefined)
  )

/** Whether a digest will tell what the file must be. */
const isChecked = ({ gitBlob, sha256 }: Wanted): boolean => sha256 !== undefined || gitBlob !== undefined

/** Where an answer of 206 begins, and how long the whole is. */
const rangeOf = (answer: Answer): { readonly start: number; readonly total: number | undefined } | undefined => {
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.header("content-range") ?? "") ?? []
  return start === undefined ? undefined : { start: Number(start), total: total === "*" ? undefined : Number(total) }
}

const lengthOf = (answer: Answer): number | undefined => {
  const text = answer.header("content-length")
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** Writes the body to the end of the file. Whatever the server announced, no byte past the limit is kept. */
const receive = (growing: Growing, answer: Answer, wanted: Wanted, total: number | undefined) =>
  Effect.tryPromise({
    try: async () => {
      const most = Math.min(wanted.maxSize, wanted.size ?? Infinity)
      for await (const part of answer.body) {
        if (!Buffer.isBuffer(part)) continue
        if (growing.length + part.length > most) {
          throw most === wanted.maxSize
            ? tooLarge(wanted, `more than ${most}`)
            : new PullFailed({
              kind: "checksum",
              reason: `${wanted.file}: more than the ${most} bytes came that it has`
            })
        }
        for (let written = 0; written < part.length;) {
          const { bytesWritten } = await growing.handle.write(part, written, part.length - written, growing.length)
          growing.hash.update(part.subarray(written, written + bytesWritten))
          written += bytesWritten
          growing.length += bytesWritten
        }
        wanted.onProgress?.(growing.length, wanted.size ?? total)
      }
    },
    catch: (cause) =>
      cause instanceof PullFailed
        ? cause
        : hasCode(cause, "ENOSPC", "EDQUOT", "EIO", "EFBIG", "EROFS")
        ? new PullFailed({ kind: "store", reason: `${growing.path} cannot be written: ${String(cause)}`, cause })
        : transient("unreachable", `${wanted.file}: ${answer.url.host} broke off after ${growing.length} bytes`, cause)
  })

/** Asks for what is missing, and takes the answer. */
const fetchRest = Effect.fnUntraced(function*(growing: Growing, wanted: Wanted) {
  const tag = yield* begunTag(growing.path)
  // Without a tag or a digest nothing says that the rest belongs to the beginning.
  if (growing.length > 0 && tag === undefined && wanted.sha256 === undefined) yield* restart(growing)
  const from = growing.length
  const answer = yield* exchange({
    method: "GET",
    url: wanted.url,
    token: wanted.token,
    headers: from === 0 ? {} : { range: `bytes=${from}-`, ...(tag === undefined ? {} : { "if-range": tag }) }
  })
  const { status } = answer
  const unfit = unfitBody(answer, wanted.file, isChecked(wanted) || wanted.size !== undefined)
  if (unfit !== undefined) return yield* unfit
  const theirs = strongTag(answer.header("etag"))
  if (status === 206) {
    const range = rangeOf(answer)
    // Where no digest tells the whole file, only the same tag says that this part is of the same content.
    const isSame = theirs === tag || (theirs === undefined && isChecked(wanted))
    const fits = range?.start === from && isSame &&
      (range.total === undefined || wanted.size === undefined || range.total === wanted.size)
    if (!fits) {
      yield* restart(growing)
      return yield* transient("protocol", `${wanted.file}: ${answer.url.host} sent another part than was asked for`)
    }
    yield* receive(growing, answer, wanted, range.total)
    return range.total
  }
  if (status === 416 && from > 0) {
    yield* restart(growing)
    return yield* transient("protocol", `${wanted.file}: ${answer.url.host} has not as much as came before`)
  }
  if (status !== 200) return yield* refusal(answer, wanted.file, yield* Clock.currentTimeMillis)
  const announced = lengthOf(answer)
  if (announced !== undefined && announced > wanted.maxSize) return yield* tooLarge(wanted, String(announced))
  if (from > 0) yield* restart(growing)
  yield* theirs === undefined
    ? storeCall(growing.path, () => NodeFs.rm(`${growing.path}.json`, { force: true }))
    : writeWhole(`${growing.path}.json`, JSON.stringify({ etag: theirs }))
  yield* receive(growing, answer, wanted, announced)
  return announced
})

/** Removes what has come, and what is known of it. */
export const removePartial = (path: string): Effect.Effect<void, PullFailed> =>
  storeCall(path, async () => {
    await NodeFs.rm(path, { force: true })
    await NodeFs.rm(`${path}.json`, { force: true })
  })

/** There is nothing to go on with. */
const removeEmpty = (path: string): Effect.Effect<void> =>
  storeCall(path, () => NodeFs.stat(path)).pipe(
    Effect.flatMap(({ size }) => size === 0 ? removePartial(path) : Effect.void),
    // What the caller is told of is why there is nothing.
    Effect.ignore
  )

/** What a file must be and is not; such a file is not kept. */
const mistakeOf = Effect.fnUntraced(function*(growing: Growing, wanted: Wanted, sha256: string) {
  if (wanted.size !== undefined && growing.length !== wanted.size) {
    return `it has ${growing.length} bytes, not ${wanted.size}`
  }
  if (wanted.sha256 !== undefined && sha256 !== wanted.sha256) {
    return `its SHA-256 is ${sha256}, not ${wanted.sha256}`
  }
  if (wanted.gitBlob === undefined) return undefined
  const git = yield* gitNameOf(growing)
  return git === wanted.gitBlob ? undefined : `git names its content ${git}, not ${wanted.gitBlob}`
})

const attempt = Effect.fnUntraced(function*(
  path: string,
  wanted: Wanted,
  reach: (length: number) => void
): Effect.fn.Return<Omit<StoredFile, "path">, PullFailed, Scope.Scope> {
  const growing = yield* openPartial(path)
  if (growing.length > Math.min(wanted.maxSize, wanted.size ?? Infinity)) yield* restart(growing)
  const from = growing.length
  const whole = from > 0 && from === wanted.size && wanted.sha256 !== undefined
  const total = yield* (whole ? Effect.succeed(wanted.size) : fetchRest(growing, wanted)).pipe(
    Effect.ensuring(Effect.sync(() => reach(growing.length)))
  )
  const expected = wanted.size ?? total
  if (expected !== undefined && growing.length < expected) {
    return yield* transient("unreachable", `${wanted.file}: only ${growing.length} of ${expected} bytes came`)
  }
  yield* storeCall(path, () => growing.handle.sync())
  const sha256 = growing.hash.digest("hex")
  const mistake = yield* mistakeOf(growing, wanted, sha256)
  if (mistake === undefined) return { sha256, size: growing.length }
  yield* removePartial(path)
  const reason = `${wanted.file}: what came is not the file, and was removed: ${mistake}`
  // A beginning that was left by a power cut may be damaged; the whole is fetched once more before it is refused.
  return yield* from > 0 ? transient("checksum", reason) : new PullFailed({ kind: "checksum", reason })
})

/**
 * Fetches the file into `path`, from where it was left, again and again while that leads on. What is too large or not
 * what it must be is removed.
 */
export const download = (path: string, wanted: Wanted): Effect.Effect<Omit<StoredFile, "path">, PullFailed> =>
  Effect.suspend(() => {
    let furthest = 0
    return persistently(
      Effect.scoped(attempt(path, wanted, (length) => {
        furthest = Math.max(furthest, length)
      })),
      () => furthest
    )
  }).pipe(
    Effect.tapError((error) =>
      error.kind === "too-large" || error.kind === "checksum" ? removePartial(path) : removeEmpty(path)
    )
  )
