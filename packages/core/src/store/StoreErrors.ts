/**
 * Why a model could not be got, in sentences that say what to change.
 */
import * as Data from "effect/Data"

/** The source, revision or file name as it was written cannot be used. No text here repeats a credential. */
export class SourceRefused extends Data.TaggedError("SourceRefused")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

/**
 * `unreachable`: no answer, or one that broke off. `unauthorised`, `forbidden`, `missing`, `busy`: the hub's 401, 403,
 * 404 and 429. `redirect`: it leads where it must not. `protocol`: an answer that makes no sense. `too-large`,
 * `checksum`: what came is not what may come. `malformed`: a file is not of the kind that its name says. `offline`: it is not here, and nothing may be fetched. `locked`: another
 * process is at it. `store`: this machine's files.
 */
export type PullFailureKind =
  | "unreachable"
  | "unauthorised"
  | "forbidden"
  | "missing"
  | "busy"
  | "redirect"
  | "protocol"
  | "too-large"
  | "checksum"
  | "malformed"
  | "offline"
  | "locked"
  | "store"

export class PullFailed extends Data.TaggedError("PullFailed")<{
  readonly kind: PullFailureKind
  readonly reason: string
  /** Whether the same call may succeed a little later. */
  readonly transient?: boolean
  /** How long the server asks to wait. */
  readonly retryAfterMs?: number
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : ""

export const hasCode = (cause: unknown, ...codes: ReadonlyArray<string>): boolean => codes.includes(codeOf(cause))

const advice: Readonly<Record<string, string>> = {
  ENOSPC: "no space is left on its disk",
  EACCES: "this user may not write there: set SLUICE_MODEL_STORE to a folder that it may",
  EPERM: "this user may not write there: set SLUICE_MODEL_STORE to a folder that it may",
  EROFS: "it is on a disk that is read only: set SLUICE_MODEL_STORE to a folder that can be written",
  ELOOP: "it is a symbolic link, and the store follows none: remove it"
}

/** A file of the store that cannot be read or written. */
export const storeFailed = (path: string, cause: unknown): PullFailed =>
  new PullFailed({
    kind: "store",
    reason: `${path}: ${advice[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause))}`,
    cause
  })
