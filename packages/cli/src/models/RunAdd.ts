/**
 * Writes a registry entry for a model by what its files say.
 */
import { modelFiles } from "@sluice/core/execution/ModelFiles"
import { type FileReport, inspectFile } from "@sluice/core/registry/FileInspection"
import { type ChosenPlugin, PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import { registeredModels, writeVersion } from "@sluice/core/registry/RegistryEdit"
import { checkWeights } from "@sluice/core/store/ExternalWeights"
import { onlyModel } from "@sluice/core/store/SnapshotFiles"
import { isModelName, modelId } from "@sluice/domain/Ids"
import { loadSettings } from "@sluice/server/config/LoadSettings"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { existsSync, readFileSync } from "node:fs"
import { dirname, isAbsolute, join, relative, resolve } from "node:path"
import { failed, misused } from "../CommandFailed.ts"
import { type Output, printJson } from "../OutputFlag.ts"
import { renderReport } from "./InspectReport.ts"
import type { PullChoice } from "./PullSettings.ts"
import { catalogueLayer, requireFile } from "./RunInspect.ts"
import { asCommandFailure, pullOne } from "./RunPull.ts"
import { sentenceFacts } from "./SentenceModules.ts"

export interface AddOptions extends PullChoice {
  readonly name: string
  readonly source: Option.Option<string>
  readonly path: Option.Option<string>
  readonly plugin: Option.Option<string>
  readonly registry: Option.Option<string>
  readonly replace: boolean
  readonly output: Output
}

/** The model's file, and where it came from in words. */
interface Found {
  readonly path: string
  readonly origin: string | undefined
}

const parseName = (text: string) => {
  const [name = "", ...rest] = text.split("@")
  const version = rest.length === 0 ? "v1" : rest.join("@")
  return isModelName(name) && isModelName(version)
    ? Effect.succeed({ name, version })
    : Effect.fail(
      misused(`"${text}" is no model's name: 1 to 128 letters, digits, ".", "_" or "-", and @version where it has one`)
    )
}

const find = Effect.fnUntraced(function*({ path, source, ...choice }: AddOptions) {
  if (Option.isSome(path) === Option.isSome(source)) {
    return yield* misused("give either --source, to pull it, or --path, to a file that is here")
  }
  if (Option.isSome(path)) {
    yield* requireFile(path.value)
    return { path: resolve(path.value), origin: undefined } satisfies Found
  }
  const pulled = yield* pullOne(Option.getOrElse(source, () => ""), choice)
  // The lock may hold more of the source than was asked for now.
  const files = choice.file.length > 0 ? choice.file : pulled.files.map(({ path }) => path)
  const model = yield* Effect.fromResult(onlyModel(files))
  return {
    path: join(pulled.folder, model),
    origin: `${pulled.source} at ${pulled.revision.slice(0, 12)}`
  } satisfies Found
})

/** As the registry has it: from its own folder, or absolute where that would climb out of it. */
const writtenPath = (registry: string, path: string): string => {
  const seen = relative(dirname(resolve(registry)), path)
  return seen.startsWith("..") || isAbsolute(seen) ? path : seen.replaceAll("\\", "/")
}

const textOf = (path: string): string | undefined => existsSync(path) ? readFileSync(path, "utf8") : undefined

const sentenceFactsOf = (plugin: ChosenPlugin, path: string) =>
  plugin.plugin.name === "text"
    ? sentenceFacts(textOf(join(dirname(path), "modules.json")), textOf(join(dirname(path), "1_Pooling/config.json")))
    : undefined

const render = (id: string, file: string, entry: object, plugin: ChosenPlugin, report: FileReport | undefined) =>
  [
    ...(report === undefined ? [] : [renderReport(report), ""]),
    `${id} is in ${file}:`,
    "",
    ...Object.entries(entry).map(([field, value]) => `    ${field}: ${JSON.stringify(value)}`),
    "",
    `It is served by ${plugin.plugin.name}: ${plugin.reason}.`
  ].join("\n")

export const runAdd = Effect.fnUntraced(
  function*(options: AddOptions) {
    const { name, version } = yield* parseName(options.name)
    const { settings } = yield* loadSettings({ env: process.env })
    const registry = Option.getOrElse(options.registry, () => settings.models.registry)
    const known = (yield* registeredModels(registry)).find((model) => model.name === name)
    const before = known?.versions.find((each) => each.version === version)
    if (before !== undefined && !options.replace) {
      return yield* failed(
        `${before.source.file}:${before.source.line}: ${modelId(name, version)} is there already: name another ` +
          "version, or --replace it"
      )
    }
    const { origin, path } = yield* find(options)
    const files = modelFiles(path)
    const look = Effect.gen(function*() {
      const catalogue = yield* PluginCatalogue
      const report = yield* inspectFile(catalogue, files)
      return { report, plugin: yield* catalogue.choose(Option.getOrUndefined(options.plugin), files) }
    })
    const { plugin, report } = yield* Effect.provide(look, yield* catalogueLayer)
    if (report !== undefined) yield* checkWeights(path, report.externalFiles)
    const facts = sentenceFactsOf(plugin, path)
    const entry = {
      path: writtenPath(registry, path),
      // A version that is exchanged keeps its part; a new one of a model that is served waits to be named.
      status: before?.status ?? (known === undefined ? "active" : "candidate"),
      ...(origin === undefined ? {} : { description: origin }),
      plugin: plugin.plugin.name,
      ...(report === undefined ? {} : { precision: report.precision }),
      ...(facts === undefined ? {} : { options: facts.options })
    }
    yield* writeVersion(registry, { model: name, version, entry, replace: options.replace })
    const id = modelId(name, version)
    yield* Console.log(
      options.output === "json"
        ? printJson({ model_id: id, registry, entry, plugin_reason: plugin.reason, report })
        : render(id, registry, entry, plugin, report)
    )
    if (facts?.note !== undefined) yield* Console.error(`note: ${facts.note}`)
  },
  Effect.catchTags({
    SourceRefused: (error) => Effect.fail(asCommandFailure(error)),
    PullFailed: (error) => Effect.fail(asCommandFailure(error))
  })
)
