/**
 * Which keys file a command means: the one that is named, else the one that a server started here would read.
 */
import { loadSettings } from "@sluice/server/config/LoadSettings"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const defaultFile = "config/api_keys.yaml"

export interface ChosenKeysFile {
  readonly file: string
  /** Why a server started here would not read it; undefined where it would. */
  readonly note: string | undefined
}

export const chooseKeysFile = Effect.fnUntraced(function*(named: Option.Option<string>) {
  if (Option.isSome(named)) return { file: named.value, note: undefined } satisfies ChosenKeysFile
  const { settings } = yield* loadSettings({ env: process.env })
  const { keysFile } = settings.auth
  return keysFile === undefined
    ? {
      file: defaultFile,
      note: `servers read it where API_KEYS_FILE=${defaultFile} is set, or auth.keys_file in config/sluice.yaml`
    } satisfies ChosenKeysFile
    : { file: keysFile, note: undefined } satisfies ChosenKeysFile
})
