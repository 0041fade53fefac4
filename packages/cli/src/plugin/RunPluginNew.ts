/**
 * Writes a new plugin where nothing was, and says what to do next.
 */
import { loadSettings } from "@sluice/server/config/LoadSettings"
import { settingDefinitions } from "@sluice/server/config/SettingDefinitions"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { mkdir, readdir, writeFile } from "node:fs/promises"
import { dirname, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import manifest from "../../package.json" with { type: "json" }
import { type CommandFailed, failed, misused } from "../CommandFailed.ts"
import { parsePluginName } from "./PluginName.ts"
import { pluginFiles, type TemplateFile } from "./PluginTemplate.ts"
import { nextSteps, readmeValues, type Wiring } from "./PluginWiring.ts"

export interface PluginNewOptions {
  readonly name: string
  readonly directory: Option.Option<string>
}

const isMissing = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === "ENOENT"

/** What is there already; a folder that is not there is empty. */
const entriesOf = (folder: string) =>
  Effect.tryPromise({
    try: () => readdir(folder),
    catch: (cause) => failed(`${folder} cannot be used: ${String(cause)}`, cause)
  }).pipe(Effect.catchIf(({ cause }) => isMissing(cause), () => Effect.succeed<ReadonlyArray<string>>([])))

/** `wx`: a file that came into being meanwhile is not overwritten either. */
const write = (folder: string, { path, text }: TemplateFile) => {
  const file = join(folder, path)
  return Effect.tryPromise({
    try: async () => {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, text, { flag: "wx" })
    },
    catch: (cause) => failed(`${file} cannot be written: ${String(cause)}`, cause)
  })
}

/** What the plugin joins. Settings with mistakes are no reason to write no plugin: their defaults will do. */
const configured = Effect.matchEffect(loadSettings({ env: process.env }), {
  onSuccess: ({ settings }) =>
    Effect.succeed({
      configFile: settings.config.file,
      registryFile: settings.models.registry,
      plugins: settings.plugins
    }),
  onFailure: ({ message }) =>
    Effect.as(Console.error(`note: the settings cannot be read, so their defaults are shown: ${message}`), {
      configFile: settingDefinitions.config.file.default,
      registryFile: settingDefinitions.models.registry.default,
      plugins: settingDefinitions.plugins.default
    })
})

const workspace = fileURLToPath(new URL("../../../..", import.meta.url))

/** Only inside the workspace does Node find the SDK by going up the folders. */
const outsideNote = (folder: string): string | undefined =>
  relative(workspace, resolve(folder)).startsWith("..")
    ? `note: ${folder} is outside the workspace ${resolve(workspace)}: see that it finds @sluice/plugin-sdk and effect`
    : undefined

export const runPluginNew = Effect.fnUntraced(
  function*(options: PluginNewOptions): Effect.fn.Return<void, CommandFailed> {
    const name = yield* Effect.mapError(Effect.fromResult(parsePluginName(options.name)), misused)
    const folder = Option.getOrElse(options.directory, () => `plugins/${name}`).replace(/\/+$/, "")
    if ((yield* entriesOf(folder)).length > 0) {
      return yield* failed(`${folder} exists already and is left as it is: choose another name, or --directory`)
    }
    const wiring: Wiring = { name, folder, ...(yield* configured) }
    const files = yield* pluginFiles(name, {
      ...readmeValues(wiring),
      SDK_VERSION: manifest.version,
      EFFECT_VERSION: manifest.dependencies.effect
    })
    for (const file of files) yield* write(folder, file)
    yield* Console.log(nextSteps(wiring))
    const note = outsideNote(folder)
    if (note !== undefined) yield* Console.error(note)
  }
)
