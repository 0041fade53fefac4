/**
 * Refuses fields of `sluice.yaml` that no setting has: a mistyped key must not be a setting that silently does nothing.
 */
import { type ConfigMistake, describeKind, describeValue, fieldPath } from "@sluice/core/config/ConfigError"
import { didYouMean } from "@sluice/core/config/Suggestion"
import type { YamlDocument } from "@sluice/core/config/YamlDocument"
import { holdsSecrets, isSetting, placeSettings, type SettingTree, snakeCase } from "./Setting.ts"

/** The YAML names of a tree's children; sections with nothing that YAML may set are left out. */
const childrenOf = (tree: SettingTree) =>
  new Map(
    Object.entries(tree)
      .filter(([name, node]) => placeSettings({ [name]: node }).some(({ setting }) => setting.inYaml))
      .map(([name, node]) => [snakeCase(name), node])
  )

/** Advice for an unknown field: a near name at its level, or the setting below it of that name or variable. */
const advice = (tree: SettingTree, key: string, known: ReadonlyArray<string>, path: ReadonlyArray<string>): string => {
  const near = didYouMean(key, known)
  if (near !== "") return near
  const meant = placeSettings(tree).find(({ path, setting }) =>
    setting.inYaml && (setting.env === key.toUpperCase() || path.at(-1) === key)
  )
  return meant === undefined
    ? `: the fields here are ${known.join(", ")}`
    : `: in YAML that is ${fieldPath([...path, ...meant.path])}`
}

/** A mistake for each field that is unknown, and each section that is not one. */
export const unknownYamlFields = (tree: SettingTree, document: YamlDocument): ReadonlyArray<ConfigMistake> => {
  const root = tree
  const walk = (tree: SettingTree, value: unknown, path: ReadonlyArray<string>): ReadonlyArray<ConfigMistake> => {
    const at = (path: ReadonlyArray<string>) => ({
      source: document.file,
      line: document.lineOf(path),
      field: fieldPath(path)
    })
    if (value === null) return []
    if (typeof value !== "object" || Array.isArray(value)) {
      const describe = tree !== root && holdsSecrets(tree) ? describeKind : describeValue
      return [{ ...at(path), problem: `expected a mapping of settings, got ${describe(value)}` }]
    }
    const children = childrenOf(tree)
    return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
      const node = children.get(key)
      const place = [...path, key]
      if (node === undefined) {
        return [{ ...at(place), problem: `unknown setting${advice(tree, key, [...children.keys()], path)}` }]
      }
      return isSetting(node) ? [] : walk(node, inner, place)
    })
  }
  return walk(tree, document.value, [])
}
