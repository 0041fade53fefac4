/**
 * Why a command ends without doing what it was asked: a sentence for the terminal, and the exit code.
 */
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as Data from "effect/Data"

/** By the shell's customs: 1 it did not work, 2 it was called wrongly, 128 + SIGINT it was interrupted. */
export const exitCodes = { failed: 1, usage: 2, interrupted: 130 } as const

export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly reason: string
  readonly exitCode: number
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

/** It did not work. */
export const failed = (reason: string, cause?: unknown): CommandFailed =>
  new CommandFailed({ reason, exitCode: exitCodes.failed, ...(cause === undefined ? {} : { cause }) })

/** It was called wrongly, in a way that the flags alone do not show. */
export const misused = (reason: string): CommandFailed => new CommandFailed({ reason, exitCode: exitCodes.usage })

export interface Ending {
  readonly exitCode: number
  /** For stderr; undefined where it has been said already. */
  readonly sentence: string | undefined
}

/** How a command that failed ends. */
export const endingOf = (cause: Cause.Cause<unknown>): Ending => {
  if (Cause.hasInterruptsOnly(cause)) return { exitCode: exitCodes.interrupted, sentence: undefined }
  const error = Cause.squash(cause)
  if (error instanceof CommandFailed) return { exitCode: error.exitCode, sentence: error.reason }
  if (CliError.isCliError(error) && error._tag === "ShowHelp") {
    return { exitCode: error.errors.length === 0 ? 0 : exitCodes.usage, sentence: undefined }
  }
  const sentence = error instanceof Error && error.message !== "" ? error.message : String(error)
  return { exitCode: exitCodes.failed, sentence }
}
