/**
 * Marks a key as revoked in the keys file.
 */
import { editKeys } from "@sluice/server/access/KeysEdit"
import { readKeysSource } from "@sluice/server/access/KeysFile"
import { revokeKey } from "@sluice/server/access/KeysText"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { type Output, printJson } from "../OutputFlag.ts"
import { chooseKeysFile } from "./ChosenKeysFile.ts"

export interface KeyRevokeOptions {
  readonly id: string
  readonly file: Option.Option<string>
  readonly output: Output
}

export const runKeyRevoke = Effect.fnUntraced(function*({ id, output, ...choice }: KeyRevokeOptions) {
  const { file } = yield* chooseKeysFile(choice.file)
  // A file that is not there has nothing to revoke, and is not made.
  yield* readKeysSource(file)
  const at = new Date(yield* Clock.currentTimeMillis).toISOString()
  const changed = yield* editKeys(file, (text) => revokeKey(text, file, id, at))
  yield* Console.log(
    output === "json"
      ? printJson({ id, file, revoked: true, changed })
      : changed
      ? `key "${id}" is revoked in ${file}: servers that read it refuse it within a second`
      : `key "${id}" was revoked before`
  )
})
