/**
 * How a model is pulled from here: by the flags, the environment and the settings.
 */
import { modelFiles } from "@sluice/core/execution/ModelFiles"
import { inspectFile } from "@sluice/core/registry/FileInspection"
import { PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import type { ReadWeights } from "@sluice/core/store/FetchedContent"
import { parseAddress, parseFileName, parseRevision, type SourceRules } from "@sluice/core/store/ModelSource"
import { makeModelStore } from "@sluice/core/store/ModelStore"
import type { PullEvents, PullSettings } from "@sluice/core/store/ObtainFile"
import { PullFailed, SourceRefused } from "@sluice/core/store/StoreErrors"
import { defaultCacheDirectory } from "@sluice/core/tuning/PlanStore"
import { loadSettings } from "@sluice/server/config/LoadSettings"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { join, resolve } from "node:path"

/** The flags that every command that pulls has. */
export interface PullChoice {
  readonly revision: Option.Option<string>
  readonly file: ReadonlyArray<string>
  readonly offline: boolean
  readonly maxSize: string
  readonly allowHttp: boolean
  readonly lock: string
}

export const defaultEndpoint = "https://huggingface.co"

type Environment = Readonly<Record<string, string | undefined>>

const said = (value: string | undefined): string | undefined => value?.trim() || undefined

/** As the hub's own tools read it. */
const isOn = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value?.trim() ?? "")

const readSize = (text: string): Result.Result<number, SourceRefused> => {
  const size = Option.flatMap(
    ByteSize.fromString(/^\d+$/.test(text.trim()) ? `${text.trim()} B` : text),
    ByteSize.toNumber
  )
  return Option.isSome(size) && size.value > 0
    ? Result.succeed(size.value)
    : Result.fail(new SourceRefused({ reason: `--max-size: "${text}" is not a size such as 512 MiB or 4 GiB` }))
}

/** What a header may hold without being quoted: no key has more. https://www.rfc-editor.org/rfc/rfc6750#section-2.1 */
const keyForm = /^[\x21-\x7e]+$/

const readToken = (text: string | undefined): Result.Result<Redacted.Redacted<string> | undefined, SourceRefused> =>
  text === undefined || keyForm.test(text)
    ? Result.succeed(text === undefined ? undefined : Redacted.make(text))
    : Result.fail(
      new SourceRefused({
        reason: "HF_TOKEN has a line break, a space or another character that no key has: set it to the key alone"
      })
    )

/** What the flags and the environment say, or what is wrong with them. Pure. */
export const readPullChoice = (choice: PullChoice, environment: Environment) =>
  Result.gen(function*() {
    const offline = choice.offline || isOn(environment["HF_HUB_OFFLINE"])
    // Offline nothing is fetched, by whatever protocol.
    const rules: SourceRules = { allowHttp: choice.allowHttp || offline }
    const endpoint = yield* Result.mapError(
      parseAddress(said(environment["HF_ENDPOINT"]) ?? defaultEndpoint, rules),
      ({ reason }) => new SourceRefused({ reason: `HF_ENDPOINT: ${reason}` })
    )
    const token = yield* readToken(said(environment["HF_TOKEN"]))
    return {
      rules,
      hub: { endpoint, token },
      offline,
      maxSize: yield* readSize(choice.maxSize),
      revision: yield* parseRevision(Option.getOrElse(choice.revision, () => "main")),
      files: yield* Result.all(choice.file.map(parseFileName))
    }
  })

/** By the plugin whose format a file has; one that no plugin knows names no others. */
const readWeightsBy = (plugins: ReadonlyArray<string>): ReadWeights => (path) =>
  Effect.gen(function*() {
    const catalogue = yield* PluginCatalogue
    const inspected = inspectFile(catalogue, modelFiles(path))
    const report = yield* Effect.mapError(
      inspected,
      (cause) => new PullFailed({ kind: "malformed", reason: cause.message, cause })
    )
    return report?.externalFiles ?? []
  }).pipe(
    // Loaded only where there is a model to look into.
    Effect.provide(PluginCatalogue.layer(plugins, process.cwd())),
    Effect.catchTag("PluginRefused", (cause) =>
      Effect.fail(new PullFailed({ kind: "store", reason: cause.message, cause })))
  )

/** All that a pull needs. Its store is that of this machine's user, or the settings' own. */
export const pullSettings = Effect.fnUntraced(function*(choice: PullChoice, events: PullEvents) {
  const { files, hub, maxSize, offline, revision, rules } = yield* Effect.fromResult(
    readPullChoice(choice, process.env)
  )
  const { models, plugins } = (yield* loadSettings({ env: process.env })).settings
  const store = makeModelStore(resolve(models.store ?? join(defaultCacheDirectory(process.env), "models")))
  const settings: PullSettings = { store, hub, offline, maxSize, readWeights: readWeightsBy(plugins), events }
  return { files, revision, rules, settings }
})
