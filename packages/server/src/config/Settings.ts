/**
 * The effective settings: environment over `.env` over YAML over default, each value with where it came from. Pure.
 */
import {
  ConfigError,
  configError,
  type ConfigMistake,
  describeKind,
  describeValue
} from "@sluice/core/config/ConfigError"
import { didYouMean } from "@sluice/core/config/Suggestion"
import type { YamlDocument } from "@sluice/core/config/YamlDocument"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { dirname } from "node:path"
import { type EffectiveSetting, holdsSecrets, mapSettings, type PlacedSetting, placeSettings } from "./Setting.ts"
import { settingConflicts } from "./SettingConflicts.ts"
import { settingDefinitions, type Settings } from "./SettingDefinitions.ts"
import { settingNotices } from "./SettingNotices.ts"
import { unknownYamlFields } from "./SettingsYaml.ts"

export type { Settings } from "./SettingDefinitions.ts"

/** Text by name, as `process.env` and `util.parseEnv` give it. */
export type Variables = Readonly<Record<string, string | undefined>>

export interface SettingSources {
  readonly env: Variables
  /** What the `.env` file has. */
  readonly dotenv: Variables
  readonly yaml: YamlDocument | undefined
  /** Where relative paths in the environment and defaults count from: the working directory when left out. */
  readonly directory?: string
}

/** One setting as `sluice config` shows it. */
export interface SettingRow {
  readonly key: string
  readonly env: string
  readonly value: string
  readonly unit: string
  readonly source: string
  readonly meaning: string
}

export interface ResolvedSettings {
  readonly settings: Settings
  readonly table: ReadonlyArray<SettingRow>
  /** What an operator should know at start, one sentence each. */
  readonly notices: ReadonlyArray<string>
  /** The key that was made for this run, where one had to be. */
  readonly generatedKey?: Redacted.Redacted<string>
}

export const placedSettings: ReadonlyArray<PlacedSetting> = placeSettings(settingDefinitions)

/** A value as it was found, before it is parsed. */
interface Found {
  readonly raw: unknown
  readonly source: string
  /** What its relative paths count from. */
  readonly directory: string
  readonly place: Omit<ConfigMistake, "problem">
}

/** An empty variable is one that a template left blank: it counts as not set. */
const findText = (variables: Variables, name: string): string | undefined => {
  const text = variables[name]?.trim()
  return text === "" ? undefined : text
}

const findYaml = (yaml: YamlDocument, path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (parent, key) =>
      typeof parent === "object" && parent !== null && Object.hasOwn(parent, key)
        ? (parent as Readonly<Record<string, unknown>>)[key]
        : undefined,
    yaml.value
  )

const find = ({ key, path, setting }: PlacedSetting, sources: SettingSources): Found | undefined => {
  const directory = sources.directory ?? "."
  const fromEnv = findText(sources.env, setting.env)
  if (fromEnv !== undefined) {
    const place = { source: `environment variable ${setting.env}` }
    return { raw: fromEnv, source: `env ${setting.env}`, directory, place }
  }
  const fromFile = findText(sources.dotenv, setting.env)
  if (fromFile !== undefined) {
    return { raw: fromFile, source: `.env ${setting.env}`, directory, place: { source: ".env", field: setting.env } }
  }
  const { yaml } = sources
  const raw = yaml === undefined || !setting.inYaml ? undefined : findYaml(yaml, path)
  if (yaml === undefined || raw === undefined || raw === null) return undefined
  const line = yaml.lineOf(path)
  const place = { source: yaml.file, line, field: key }
  return { raw, source: `${yaml.file}:${line}`, directory: dirname(yaml.file), place }
}

const secretSections = new Set(
  Object.entries(settingDefinitions).flatMap(([name, section]) => holdsSecrets(section) ? [name] : [])
)

const mismatch = ({ path, setting }: PlacedSetting, raw: unknown): string => {
  if (setting.type.secret === true) return `expected ${setting.type.expected}; the value is a secret and not shown`
  const describe = secretSections.has(path[0] ?? "") ? describeKind : describeValue
  const suggestion = typeof raw === "string" ? didYouMean(raw, setting.type.choices ?? []) : ""
  // Kubernetes sets NAME_PORT for a Service called NAME, unasked.
  const links = typeof raw === "string" && raw.startsWith("tcp://")
    ? `: Kubernetes sets this for a Service of that name; set ${setting.env} yourself, or enableServiceLinks: false`
    : ""
  return `expected ${setting.type.expected}, got ${describe(raw)}${suggestion}${links}`
}

/** The value that holds for one setting, or what is wrong with it. */
const resolveOne = (
  placed: PlacedSetting,
  sources: SettingSources
): Result.Result<EffectiveSetting, ConfigMistake> => {
  const { setting } = placed
  const settle = (value: unknown, directory: string, source: string): EffectiveSetting => ({
    ...placed,
    value: setting.type.rebase?.(value, directory) ?? value,
    source
  })
  const found = find(placed, sources)
  if (found === undefined) return Result.succeed(settle(setting.default, sources.directory ?? ".", "default"))
  return Option.match(setting.type.parse(found.raw), {
    onNone: () => Result.fail({ ...found.place, problem: mismatch(placed, found.raw) }),
    onSome: (value) => Result.succeed(settle(value, found.directory, found.source))
  })
}

/** Which file holds the YAML settings, and whether someone asked for it, so that it must exist. */
export const locateConfigFile = (
  sources: Omit<SettingSources, "yaml">
): Result.Result<{ readonly file: string; readonly explicit: boolean }, ConfigError> => {
  const path = ["config", "file"]
  const placed = { path, key: path.join("."), setting: settingDefinitions.config.file }
  return Result.mapBoth(resolveOne(placed, { ...sources, yaml: undefined }), {
    onSuccess: ({ source, value }) => ({ file: String(value), explicit: source !== "default" }),
    onFailure: (mistake) => new ConfigError({ mistakes: [mistake] })
  })
}

/** Resolves every setting. Every mistake of every source is listed at once. */
export const resolveSettings = (sources: SettingSources): Result.Result<ResolvedSettings, ConfigError> => {
  const results = placedSettings.map((placed) => resolveOne(placed, sources))
  const mistakes = results.flatMap((result) => Result.isFailure(result) ? [result.failure] : [])
  const unknown = sources.yaml === undefined ? [] : unknownYamlFields(settingDefinitions, sources.yaml)
  const error = configError([...mistakes, ...unknown])
  if (error !== undefined) return Result.fail(error)
  const effective = results.flatMap((result) => Result.isSuccess(result) ? [result.success] : [])
  const values = new Map(effective.map(({ setting, value }) => [setting, value]))
  const settings = mapSettings(settingDefinitions, (setting) => values.get(setting))
  const conflict = configError(settingConflicts(settings, effective))
  if (conflict !== undefined) return Result.fail(conflict)
  const tokenLeftBlank = [sources.env, sources.dotenv].some((from) => from["AUTH_TOKEN"]?.trim() === "")
  return Result.succeed({
    settings,
    table: effective.map(({ key, setting, source, value }) => ({
      key,
      env: setting.env,
      value: setting.type.print(value),
      unit: setting.unit,
      source,
      meaning: setting.meaning
    })),
    notices: settingNotices(settings, tokenLeftBlank)
  })
}
