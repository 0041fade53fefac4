/**
 * What a registry's fields say of each other: versions that exist, strategies that are complete, names that are valid.
 */
import { ModelName, ModelVersion } from "@sluice/domain/Ids"
import { Precision } from "@sluice/domain/ModelInfo"
import * as Schema from "effect/Schema"
import { type ConfigMistake, describeValue, fieldPath } from "../config/ConfigError.ts"
import { didYouMean } from "../config/Suggestion.ts"
import type { YamlDocument, YamlPath } from "../config/YamlDocument.ts"
import { checkDegradation } from "./DegradationYaml.ts"
import type { ModelYaml, RegistryYaml, RolloutYaml, VersionYaml } from "./RegistrySchema.ts"

interface Mistake {
  readonly path: YamlPath
  readonly problem: string
}

const isModelName = Schema.is(ModelName)
const isModelVersion = Schema.is(ModelVersion)

/** Names become parts of URLs, labels and cache keys. */
const nameForm = "1 to 128 letters, digits, '.', '_' or '-', starting with a letter or digit"

const invalidName = (kind: string, path: YamlPath): Mistake => ({ path, problem: `a ${kind}'s name has ${nameForm}` })

/** Says why a version may not be named here, if so. */
const checkReference = (
  path: YamlPath,
  named: string,
  versions: Readonly<Record<string, VersionYaml>>
): ReadonlyArray<Mistake> => {
  const names = Object.keys(versions)
  if (!Object.hasOwn(versions, named)) {
    const known = names.length === 0 ? "" : `: it has ${names.join(", ")}`
    return [{ path, problem: `this model has no version ${describeValue(named)}${didYouMean(named, names) || known}` }]
  }
  return versions[named]?.status === "retired"
    ? [{ path, problem: `version ${describeValue(named)} is retired and may not answer: name an active one` }]
    : []
}

const checkWeights = (rollout: RolloutYaml, path: YamlPath): ReadonlyArray<Mistake> => {
  if (rollout.type !== "ab_test") return []
  const weights = Object.values(rollout.weights)
  if (weights.length < 2) {
    return [{ path, problem: "an ab_test rollout needs weights for two versions or more, as { v1: 50, v2: 50 }" }]
  }
  return weights.some((weight) => weight > 0)
    ? []
    : [{ path, problem: "the weights add up to 0: give at least one version a share" }]
}

const checkSteps = (steps: ReadonlyArray<number>, path: YamlPath): ReadonlyArray<Mistake> =>
  steps.some((step, index) => index > 0 && step <= (steps[index - 1] ?? 0))
    ? [{ path, problem: `each step must be larger than the one before, got ${steps.join(", ")}` }]
    : []

const checkRollout = (model: ModelYaml, path: YamlPath): ReadonlyArray<Mistake> => {
  const rollout = model.rollout_strategy
  if (rollout === undefined) return []
  const target = rollout.target_version
  const targetPath = [...path, "target_version"]
  const sameAsDefault = target === model.default_version && (rollout.type === "canary" || rollout.type === "shadow")
  return [
    ...checkWeights(rollout, [...path, "weights"]),
    ...(target === undefined ? [] : checkReference(targetPath, target, model.versions)),
    ...(sameAsDefault ? [{ path: targetPath, problem: "this is the default version: name the one to try" }] : []),
    ...Object.keys(rollout.weights ?? {}).flatMap((named) =>
      checkReference([...path, "weights", named], named, model.versions)
    ),
    ...checkSteps(rollout.steps ?? [], [...path, "steps"])
  ]
}

/** Of the file in `path`: a version that leaves the choice open has fp32 there. */
const ownPrecision = ({ precision = "fp32" }: VersionYaml): Precision => precision === "auto" ? "fp32" : precision

const checkVersion = (name: string, version: VersionYaml, path: YamlPath): ReadonlyArray<Mistake> => {
  const own = ownPrecision(version)
  const lacksInt8 = version.int8_above_wait !== undefined && own !== "int8" && version.variants?.int8 === undefined
  return [
    ...(lacksInt8
      ? [{ path: [...path, "int8_above_wait"], problem: "this version has no int8 file: name one under variants" }]
      : []),
    ...(isModelVersion(name) ? [] : [invalidName("version", path)]),
    ...Precision.literals.flatMap((precision) =>
      precision === own && version.variants?.[precision] !== undefined
        ? [{ path: [...path, "variants", precision], problem: `${precision} is the precision of path itself` }]
        : []
    )
  ]
}

const checkModel = (name: string, model: ModelYaml): ReadonlyArray<Mistake> => {
  const path = ["models", name]
  const versions = Object.entries(model.versions)
  return [
    ...(isModelName(name) ? [] : [invalidName("model", path)]),
    ...versions.flatMap(([version, entry]) => checkVersion(version, entry, [...path, "versions", version])),
    ...(versions.length === 0
      ? [{ path: [...path, "versions"], problem: "a model needs at least one version" }]
      : checkReference([...path, "default_version"], model.default_version, model.versions)),
    ...checkRollout(model, [...path, "rollout_strategy"])
  ]
}

const checkDefaultModel = (registry: RegistryYaml): ReadonlyArray<Mistake> => {
  const named = registry.default_model
  const names = Object.keys(registry.models)
  return named === undefined || Object.hasOwn(registry.models, named)
    ? []
    : [{ path: ["default_model"], problem: `no model is named ${describeValue(named)}${didYouMean(named, names)}` }]
}

/** Every contradiction in a registry whose fields are each well-formed. */
export const registryMistakes = (registry: RegistryYaml, document: YamlDocument): ReadonlyArray<ConfigMistake> => {
  const models = Object.entries(registry.models)
  const mistakes = [
    ...checkDefaultModel(registry),
    ...models.flatMap(([name, model]) => checkModel(name, model)),
    ...models.flatMap(([name]) => checkDegradation(name, registry.models, ["models", name]))
  ]
  return mistakes.map(({ path, problem }) => ({
    source: document.file,
    line: document.lineOf(path),
    field: fieldPath(path),
    problem
  }))
}
