/**
 * How a model is pulled from here: by the flags, the environment and the settings.
 */
import { parseAddress, parseFileName, parseRevision, type SourceRules } from "@sluice/core/store/ModelSource"
import { makeModelStore } from "@sluice/core/store/ModelStore"
import type { PullEvents, PullSettings } from "@sluice/core/store/Pull"
import { SourceRefused } from "@sluice/core/store/StoreErrors"
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

/** What the flags and the environment say, or what is wrong with them. Pure. */
export const readPullChoice = (choice: PullChoice, environment: Environment) =>
  Result.gen(function*() {
    const rules: SourceRules = { allowHttp: choice.allowHttp }
    const endpoint = yield* Result.mapError(
      parseAddress(said(environment["HF_ENDPOINT"]) ?? defaultEndpoint, rules),
      ({ reason }) => new SourceRefused({ reason: `HF_ENDPOINT: ${reason}` })
    )
    const token = said(environment["HF_TOKEN"])
    return {
      rules,
      hub: { endpoint, token: token === undefined ? undefined : Redacted.make(token) },
      offline: choice.offline || isOn(environment["HF_HUB_OFFLINE"]),
      maxSize: yield* readSize(choice.maxSize),
      revision: yield* parseRevision(Option.getOrElse(choice.revision, () => "main")),
      files: yield* Result.all(choice.file.map(parseFileName))
    }
  })

/** The store of this machine's user, or the settings' own. */
export const storeOf = Effect.map(
  loadSettings({ env: process.env }),
  ({ settings }) => makeModelStore(resolve(settings.models.store ?? join(defaultCacheDirectory(process.env), "models")))
)

/** All that a pull needs. */
export const pullSettings = Effect.fnUntraced(function*(choice: PullChoice, events: PullEvents) {
  const { files, hub, maxSize, offline, revision, rules } = yield* Effect.fromResult(
    readPullChoice(choice, process.env)
  )
  const settings: PullSettings = { store: yield* storeOf, hub, offline, maxSize, events }
  return { files, revision, rules, settings }
})
