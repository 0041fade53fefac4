/**
 * Lists the keys of the keys file, without anything of their secrets.
 */
import { type Limits, printRate } from "@sluice/core/limits/Limits"
import { type KeyEntry, keyState } from "@sluice/server/access/KeyEntry"
import { readKeysSource } from "@sluice/server/access/KeysFile"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { type Output, printJson } from "../OutputFlag.ts"
import { cell, renderTable } from "../Table.ts"
import { chooseKeysFile } from "./ChosenKeysFile.ts"

export interface KeyListOptions {
  readonly file: Option.Option<string>
  readonly output: Output
}

/** As the file has them. */
const limitsOf = ({ concurrent, items, requests, tokens }: Limits) => ({
  ...(requests === undefined ? {} : { requests: printRate(requests) }),
  ...(items === undefined ? {} : { items: printRate(items) }),
  ...(tokens === undefined ? {} : { tokens: printRate(tokens) }),
  ...(concurrent === undefined ? {} : { concurrent })
})

const listed = (entry: KeyEntry, nowMs: number) => {
  const { description, expiresMs, principal: { id, limits, models, roles }, proof } = entry
  return {
    id,
    state: keyState(entry, nowMs),
    roles: [...roles],
    models: models === undefined ? null : [...models],
    limits: limits === undefined ? {} : limitsOf(limits),
    expires: expiresMs === undefined ? null : new Date(expiresMs).toISOString(),
    checked_by: proof.type,
    description
  }
}

type ListedKey = ReturnType<typeof listed>

const row = ({ checked_by, description, expires, id, limits, models, roles, state }: ListedKey) => [
  id,
  state,
  roles.join(", "),
  models === null ? "all" : cell(models.join(", ")),
  Object.entries(limits).map(([name, value]) => `${name} ${value}`).join(", "),
  expires ?? "never",
  checked_by,
  cell(description)
]

const header = ["ID", "STATE", "ROLES", "MODELS", "LIMITS", "EXPIRES", "CHECKED BY", "DESCRIPTION"]

export const runKeyList = Effect.fnUntraced(function*(options: KeyListOptions) {
  const { file, note } = yield* chooseKeysFile(options.file)
  const { keys } = yield* readKeysSource(file)
  const nowMs = yield* Clock.currentTimeMillis
  const shown = keys.map((entry) => listed(entry, nowMs))
  yield* Console.log(
    options.output === "json"
      ? printJson({ file, keys: shown })
      : shown.length === 0
      ? `${file} has no keys`
      : renderTable(header, shown.map(row))
  )
  if (note !== undefined) yield* Console.error(`note: ${note}`)
})
