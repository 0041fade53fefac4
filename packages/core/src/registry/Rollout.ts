/**
 * Which version of a model answers a request: a pure function of the registry and of what the caller asked for.
 */
import { ModelNotFound, VersionNotFound, VersionRetired } from "@sluice/domain/Errors"
import * as Result from "effect/Result"
import type { ModelEntry, Registry, VersionEntry } from "./RegistryEntry.ts"

/** The model that a request names, or the registry's default. */
export const chooseModel = (registry: Registry, name: string | undefined): Result.Result<ModelEntry, ModelNotFound> => {
  const wanted = name ?? registry.defaultModel
  const model = registry.models.find((model) => model.name === wanted)
  return model === undefined ? Result.fail(new ModelNotFound({ model: wanted })) : Result.succeed(model)
}

/** The version that answers: the one the caller names, else the one that the rollout routes to. */
export const chooseVersion = (
  model: ModelEntry,
  explicit: string | undefined
): Result.Result<VersionEntry, VersionNotFound | VersionRetired> => {
  const wanted = explicit ?? model.defaultVersion
  const version = model.versions.find((version) => version.version === wanted)
  if (version === undefined) return Result.fail(new VersionNotFound({ model: model.name, version: wanted }))
  return version.status === "retired"
    ? Result.fail(new VersionRetired({ model: model.name, version: wanted }))
    : Result.succeed(version)
}

/** Model and version in one step, as the pipeline asks. */
export const route = (
  registry: Registry,
  model: string | undefined,
  version: string | undefined
): Result.Result<VersionEntry, ModelNotFound | VersionNotFound | VersionRetired> =>
  Result.flatMap(chooseModel(registry, model), (entry) => chooseVersion(entry, version))

/** Steps without gates are taken by nobody but the operator, who should know. */
export const rolloutNotice = ({ name, rollout, source }: ModelEntry): ReadonlyArray<string> =>
  rollout.type === "canary" && rollout.steps.length > 0 && rollout.analysis === undefined
    ? [
      `${source.file}:${source.line}: model "${name}" has a canary with steps and no analysis, so it stays at ` +
      `${rollout.percentage} % until somebody moves it: sluice models rollout ${name} set PERCENT`
    ]
    : []
