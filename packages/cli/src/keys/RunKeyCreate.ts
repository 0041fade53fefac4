/**
 * Makes a key, writes its entry and prints it, once.
 */
import { isModelName } from "@sluice/domain/Ids"
import type { Role } from "@sluice/domain/Role"
import { idExpectation, isKeyId } from "@sluice/server/access/KeySchema"
import { hashByScrypt, keyDigest, makeKey } from "@sluice/server/access/KeySecret"
import { editKeys } from "@sluice/server/access/KeysEdit"
import { addKey, type WrittenKey } from "@sluice/server/access/KeysText"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { misused } from "../CommandFailed.ts"
import { type Output, printJson } from "../OutputFlag.ts"
import { chooseKeysFile } from "./ChosenKeysFile.ts"
import { readExpiry } from "./KeyExpiry.ts"

export interface KeyCreateOptions {
  readonly id: string
  readonly role: ReadonlyArray<Role>
  readonly model: ReadonlyArray<string>
  readonly expires: Option.Option<string>
  readonly description: Option.Option<string>
  readonly scrypt: boolean
  readonly file: Option.Option<string>
  readonly output: Output
}

/** What is written of the key beside its proof. */
const fieldsOf = Effect.fnUntraced(function*({ description, expires, id, model, role }: KeyCreateOptions) {
  if (!isKeyId(id)) return yield* misused(`--id: "${id}" is none: expected ${idExpectation}`)
  const unnamed = model.find((name) => !isModelName(name))
  if (unnamed !== undefined) return yield* misused(`--model: "${unnamed}" is no model's name`)
  const expiry = Option.isSome(expires) ? readExpiry(expires.value, yield* Clock.currentTimeMillis) : undefined
  if (expiry !== undefined && "mistake" in expiry) return yield* misused(expiry.mistake)
  return {
    roles: [...new Set(role)],
    ...(model.length === 0 ? {} : { models: [...new Set(model)] }),
    ...(expiry === undefined ? {} : { expires: expiry.at }),
    ...(Option.isSome(description) ? { description: description.value } : {})
  }
})

export const runKeyCreate = Effect.fnUntraced(function*(options: KeyCreateOptions) {
  const { id, output, scrypt } = options
  const fields = yield* fieldsOf(options)
  const { file, note } = yield* chooseKeysFile(options.file)
  const key = makeKey(scrypt ? id : undefined)
  const proof = scrypt ? { scrypt: yield* hashByScrypt(key) } : { sha256: keyDigest(key) }
  const written: WrittenKey = { id, ...proof, ...fields }
  yield* editKeys(file, (text) => addKey(text, file, written))
  yield* Console.log(output === "json" ? printJson({ id, key, file, ...fields }) : key)
  yield* Console.error(`note: this is the only time that the key of "${id}" is shown; what it may do is in ${file}`)
  if (note !== undefined) yield* Console.error(`note: ${note}`)
})
