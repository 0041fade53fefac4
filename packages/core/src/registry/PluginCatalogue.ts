/**
 * The plugins that the configuration names: loaded, checked for their API version, and asked which one suits a model.
 */
import { API_VERSION, type ModelFiles, type Plugin } from "@sluice/plugin-sdk/Plugin"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { pathToFileURL } from "node:url"

export class PluginRefused extends Data.TaggedError("PluginRefused")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

export interface CataloguedPlugin {
  readonly plugin: Plugin
  /** The module, for a worker to import. */
  readonly url: string
}

export interface ChosenPlugin extends CataloguedPlugin {
  /** Why this plugin: what the entry says, or what the files show. */
  readonly reason: string
}

const parse = (version: string): { readonly major: number; readonly minor: number } => {
  const [major, minor] = version.split(".").map(Number)
  return { major: major ?? NaN, minor: minor ?? NaN }
}

/** Same major, and no later minor than the host's: what a later minor added would be missing here. */
export const speaksApi = (theirs: string, ours: string = API_VERSION): boolean => {
  const a = parse(theirs)
  const b = parse(ours)
  return a.major === b.major && a.minor <= b.minor
}

const isPlugin = (value: unknown): value is Plugin =>
  typeof value === "object" && value !== null && "name" in value && typeof value.name === "string" &&
  "apiVersion" in value && typeof value.apiVersion === "string" && "options" in value &&
  Schema.isSchema(value.options) && "load" in value && typeof value.load === "function"

/** A relative or absolute path is a file; anything else a package that is installed in the directory or beside this server. */
const resolveModule = (name: string, directory: string): string => {
  const isPath = name.startsWith(".") || Path.isAbsolute(name)
  return isPath
    ? pathToFileURL(Path.resolve(directory, name)).href
    : pathToFileURL(createRequire(import.meta.url).resolve(name, { paths: [directory, import.meta.dirname] })).href
}

const load = Effect.fnUntraced(function*(name: string, directory: string) {
  const found = yield* Effect.try({
    try: () => resolveModule(name, directory),
    catch: (cause) =>
      new PluginRefused({ reason: `plugin "${name}" is not installed: npm install it, or mend its path`, cause })
  })
  const module: unknown = yield* Effect.tryPromise({
    try: () => import(found),
    catch: (cause) => new PluginRefused({ reason: `plugin "${name}" cannot be imported: ${String(cause)}`, cause })
  })
  const plugin: unknown = typeof module === "object" && module !== null && "default" in module
    ? module.default
    : undefined
  if (!isPlugin(plugin)) {
    return yield* new PluginRefused({ reason: `plugin "${name}" has no default export made by definePlugin` })
  }
  if (!speaksApi(plugin.apiVersion)) {
    return yield* new PluginRefused({
      reason: `plugin "${plugin.name}" was written for plugin API ${plugin.apiVersion}, this server has ${API_VERSION}`
    })
  }
  return { plugin, url: found }
})

/** An entry that names a plugin must mean one. `names` are those of the configuration. */
const sameName = (
  names: ReadonlyArray<string>,
  plugins: ReadonlyArray<CataloguedPlugin>
): PluginRefused | undefined => {
  const seen = new Map<string, string | undefined>()
  for (const [i, { plugin }] of plugins.entries()) {
    if (seen.has(plugin.name)) {
      return new PluginRefused({
        reason: `two plugins are named "${plugin.name}": "${seen.get(plugin.name)}" and "${names[i]}"`
      })
    }
    seen.set(plugin.name, names[i])
  }
  return undefined
}

/** Why the plugin suits the files, if it does. One that fails where it should say no is refused by name. */
const recognise = ({ name, recognise }: Plugin, files: ModelFiles): Effect.Effect<string | undefined, PluginRefused> =>
  Effect.suspend(() => recognise?.(files) ?? Effect.succeed(undefined)).pipe(
    Effect.catchCause((cause) => {
      const error = Cause.squash(cause)
      const reason = error instanceof Error ? error.message : String(error)
      return Effect.fail(
        new PluginRefused({ reason: `plugin "${name}" cannot tell whether this is its file: ${reason}`, cause })
      )
    })
  )

export class PluginCatalogue extends Context.Service<PluginCatalogue, {
  readonly plugins: ReadonlyArray<CataloguedPlugin>
  /** The plugin an entry names, or else the first that recognises its files. */
  readonly choose: (name: string | undefined, files: ModelFiles) => Effect.Effect<ChosenPlugin, PluginRefused>
}>()("sluice/core/PluginCatalogue") {
  /** `names` as the configuration has them, in the order in which they are asked; paths are relative to `directory`. */
  static readonly layer = (names: ReadonlyArray<string>, directory: string) =>
    Layer.effect(
      PluginCatalogue,
      Effect.gen(function*() {
        const plugins = yield* Effect.forEach(names, (name) => load(name, directory), { concurrency: "unbounded" })
        const clash = sameName(names, plugins)
        if (clash !== undefined) return yield* clash
        const known = plugins.map(({ plugin }) => plugin.name).join(", ")

        const choose = Effect.fnUntraced(function*(name: string | undefined, files: ModelFiles) {
          if (name !== undefined) {
            const named = plugins.find(({ plugin }) => plugin.name === name)
            if (named === undefined) {
              return yield* new PluginRefused({ reason: `no plugin is named "${name}"; there are ${known}` })
            }
            return { ...named, reason: "the registry entry names it" }
          }
          for (const entry of plugins) {
            const reason = yield* recognise(entry.plugin, files)
            if (reason !== undefined) return { ...entry, reason }
          }
          return yield* new PluginRefused({
            reason: `none of the plugins ${known} recognises this file; name one by "plugin:"`
          })
        })
        return PluginCatalogue.of({ plugins, choose })
      })
    )
}
