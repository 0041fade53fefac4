/**
 * Sends a registry to the running server, and prints what it changes.
 */
import { describeFileError } from "@sluice/core/config/YamlFile"
import type { RegistryApplied } from "@sluice/domain/RegistryStatus"
import { loadSettings } from "@sluice/server/config/LoadSettings"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { readFile } from "node:fs/promises"
import { text as readStream } from "node:stream/consumers"
import { askHttp } from "../AskHttp.ts"
import { failed } from "../CommandFailed.ts"
import { type Output, printJson } from "../OutputFlag.ts"
import { chooseServer, type ServerChoice } from "../ServerFlags.ts"
import { renderTable } from "../Table.ts"

export interface ApplyOptions extends ServerChoice {
  /** `-` for standard input; the registry file of the settings when left out. */
  readonly file: Option.Option<string>
  readonly dryRun: boolean
  readonly ifMatch: Option.Option<string>
  readonly output: Output
}

/** The change as a table; a sentence where there is none. */
export const renderChange = ({ added, changed, dry_run, etag, removed, rerouted }: RegistryApplied): string => {
  const rows = Object.entries({ added, changed, removed, rerouted }).flatMap(([kind, names]) =>
    names.map((name) => [kind, name])
  )
  const table = rows.length === 0 ? "Nothing that is served differs." : renderTable(["CHANGE", "WHAT"], rows)
  return [table, "", dry_run ? "Nothing was changed: this was a dry run." : `The registry is now ${etag}`].join("\n")
}

/** A tag is written in quotes, which a shell takes away. */
const quoted = (tag: string): string => tag === "*" || tag.includes("\"") ? tag : `"${tag}"`

const read = (file: string) =>
  Effect.tryPromise({
    try: () => file === "-" ? readStream(process.stdin) : readFile(file, "utf8"),
    catch: (cause) => failed(`${file === "-" ? "standard input" : file}: ${describeFileError(cause)}`, cause)
  })

export const runApply = Effect.fnUntraced(function*(options: ApplyOptions) {
  const { dryRun, ifMatch, output } = options
  const file = Option.isSome(options.file)
    ? options.file.value
    : (yield* loadSettings({ env: process.env })).settings.models.registry
  const payload = yield* read(file)
  const applied = yield* askHttp(chooseServer(options), (api) =>
    api.registry.replace({
      payload,
      query: dryRun ? { dry_run: "true" } : {},
      headers: Option.isSome(ifMatch) ? { "if-match": quoted(ifMatch.value) } : {}
    }))
  yield* Console.log(output === "json" ? printJson(applied) : renderChange(applied))
})
