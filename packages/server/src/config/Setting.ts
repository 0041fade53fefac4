/**
 * One setting as data, and how a tree of settings becomes keys, a list and a type.
 */
import type { SettingType } from "./SettingType.ts"

export interface Setting<A> {
  readonly env: string
  readonly type: SettingType<A>
  /** What a plain number counts; empty where there is none. */
  readonly unit: string
  readonly default: A
  /** What moving it does, in a sentence for an operator. */
  readonly meaning: string
  /** False for what must be known before the YAML file is read. */
  readonly inYaml: boolean
}

export interface SettingOptions<A> {
  readonly env: string
  readonly type: SettingType<A>
  readonly default: NoInfer<A>
  readonly meaning: string
  readonly unit?: string
  readonly inYaml?: boolean
}

/** Defines a setting. */
export const setting = <A>(options: SettingOptions<A>): Setting<A> => ({
  env: options.env,
  type: options.type,
  unit: options.unit ?? "",
  default: options.default,
  meaning: options.meaning,
  inYaml: options.inYaml ?? true
})

/** The values of a tree of settings, in the tree's own shape. */
export type ValuesOf<D> = D extends Setting<infer A> ? A : { readonly [K in keyof D]: ValuesOf<D[K]> }

/** A tree is read as sections of settings; a setting may also stand at the top. */
export interface SettingTree {
  readonly [name: string]: Setting<unknown> | SettingTree
}

export interface PlacedSetting {
  /** Where it stands in YAML, as `["server", "api_prefix"]`. */
  readonly path: ReadonlyArray<string>
  /** The same as text, `server.api_prefix`. */
  readonly key: string
  readonly setting: Setting<unknown>
}

/** A setting with the value that holds. */
export interface EffectiveSetting extends PlacedSetting {
  readonly value: unknown
  /** `default`, `env PORT`, `.env PORT` or `config/sluice.yaml:4`. */
  readonly source: string
}

export const isSetting = (node: Setting<unknown> | SettingTree): node is Setting<unknown> =>
  typeof node["env"] === "string"

/** `maxBatchSize` in TypeScript is `max_batch_size` in YAML. */
export const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** Every setting of a tree with its place, in the order of the tree. */
export const placeSettings = (tree: SettingTree, parents: ReadonlyArray<string> = []): ReadonlyArray<PlacedSetting> =>
  Object.entries(tree).flatMap(([name, node]) => {
    const path = [...parents, snakeCase(name)]
    return isSetting(node) ? [{ path, key: path.join("."), setting: node }] : placeSettings(node, path)
  })

/** Whether what stands there may be a secret, in its place or beside it: a section with one in it shows no values. */
export const holdsSecrets = (section: Setting<unknown> | SettingTree): boolean =>
  placeSettings({ section }).some(({ setting }) => setting.type.secret === true)

/** The tree with each setting replaced by its value. */
export const mapSettings = <D extends SettingTree>(tree: D, valueOf: (setting: Setting<unknown>) => unknown) => {
  const values = (tree: SettingTree): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(tree).map(([name, node]) => [name, isSetting(node) ? valueOf(node) : values(node)])
    )
  // TypeScript cannot follow the recursion; `ValuesOf` says what it does.
  return values(tree) as ValuesOf<D>
}
