/**
 * Changes the keys file: one process at a time, validated as a server would read it, and replaced whole.
 */
import { ConfigError } from "@sluice/core/config/ConfigError"
import { isMissing, readText } from "@sluice/core/config/YamlFile"
import { prepareReplacement } from "@sluice/core/registry/FileReplacement"
import { holdLock } from "@sluice/core/store/OwnedLock"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import { basename, dirname, join } from "node:path"

/** Who may use a server is its operator's business alone. */
const newFileMode = 0o600

/** A change takes milliseconds. */
const longestWait = "10 seconds"

const refused = (file: string, problem: string) => (cause: unknown) =>
  new ConfigError({ mistakes: [{ source: file, problem }], cause })

const unwritable = "this file cannot be written: its folder must be there, and both must be yours to write"

const busy = "another command has been changing this file for 10 seconds: try again"

const readOrEmpty = (file: string): Effect.Effect<string, ConfigError> =>
  Effect.catchIf(readText(file), ({ cause }) => isMissing(cause), () => Effect.succeed(""))

/** Without it, of two changes at the same time one would be lost, and a revoked key go on to hold. */
const takeTurn = (file: string) =>
  holdLock(join(dirname(file), `.${basename(file)}.lock`), { wait: true }).pipe(
    Effect.mapError(refused(file, unwritable)),
    Effect.timeoutOrElse({ duration: longestWait, orElse: () => Effect.fail(refused(file, busy)(undefined)) })
  )

/** Writes what `change` makes of the text, and says whether it made anything of it. A file that is not there is empty. */
export const editKeys = Effect.fn("KeysEdit.editKeys")(
  function*(
    file: string,
    change: (text: string) => Result.Result<string | undefined, ConfigError>
  ): Effect.fn.Return<boolean, ConfigError> {
    const edit = Effect.gen(function*() {
      yield* takeTurn(file)
      const text = yield* Effect.fromResult(change(yield* readOrEmpty(file)))
      if (text === undefined) return false
      const replaced = Effect.flatMap(prepareReplacement(file, text, newFileMode), ({ commit }) => commit)
      yield* Effect.mapError(replaced, refused(file, unwritable))
      return true
    })
    return yield* Effect.scoped(edit)
  }
)
