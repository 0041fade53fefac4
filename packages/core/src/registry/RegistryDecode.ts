/**
 * From a parsed `model_registry.yaml` to the engine's terms: pure, no file is touched.
 */
import { Precision } from "@sluice/domain/ModelInfo"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { dirname, resolve } from "node:path"
import { ConfigError, configError } from "../config/ConfigError.ts"
import type { YamlDocument } from "../config/YamlDocument.ts"
import { decodeYaml } from "../config/YamlFile.ts"
import { readBreaker, readDegradation } from "./DegradationYaml.ts"
import { registryMistakes } from "./RegistryChecks.ts"
import type { ModelEntry, ModelFile, Registry, Rollout, VersionEntry } from "./RegistryEntry.ts"
import {
  type ModelYaml,
  type RegistryYaml,
  RegistryYaml as RegistrySchema,
  type RolloutYaml
} from "./RegistrySchema.ts"
import { rolloutNotice } from "./Rollout.ts"

const readRollout = (rollout: RolloutYaml | undefined): Rollout => {
  if (rollout === undefined || rollout.type === "pinned") return { type: "pinned" }
  if (rollout.type === "ab_test") return { type: "ab_test", weights: new Map(Object.entries(rollout.weights)) }
  return {
    type: rollout.type,
    percentage: rollout.type === "canary" ? rollout.canary_percentage : rollout.shadow_percentage,
    targetVersion: rollout.target_version,
    steps: rollout.steps ?? [],
    analysis: rollout.analysis === undefined ? undefined : {
      maxErrorRate: rollout.analysis.max_error_rate,
      maxP50Ratio: rollout.analysis.max_p50_ratio,
      maxP99Ratio: rollout.analysis.max_p99_ratio,
      minAgreement: rollout.analysis.min_agreement,
      minRequests: rollout.analysis.min_requests,
      interval: rollout.analysis.interval,
      examples: rollout.analysis.examples ?? "redacted"
    }
  }
}

const readModel = (name: string, model: ModelYaml, document: YamlDocument, directory: string): ModelEntry => {
  const sourceOf = (path: ReadonlyArray<string>) => ({ file: document.file, line: document.lineOf(path) })
  const fileAt = (written: string): ModelFile => ({ written, absolute: resolve(directory, written) })
  const degradation = readDegradation(name, model)
  const staleIfErrorMs = degradation.stale ? Duration.toMillis(model.stale_if_error ?? Duration.zero) : 0
  const versions = Object.entries(model.versions).map(([version, entry]): VersionEntry => ({
    model: name,
    version,
    status: entry.status ?? "active",
    description: entry.description ?? "",
    file: fileAt(entry.path),
    precision: entry.precision === undefined || entry.precision === "auto" ? "fp32" : entry.precision,
    precisionByDevice: entry.precision === "auto",
    int8AboveWait: entry.int8_above_wait,
    variants: new Map(
      Precision.literals.flatMap((precision) => {
        const path = entry.variants?.[precision]
        return path === undefined ? [] : [[precision, fileAt(path)]]
      })
    ),
    plugin: entry.plugin,
    device: entry.device,
    options: entry.options ?? {},
    instances: entry.instances,
    threads: entry.threads,
    inline: entry.inline ?? "auto",
    optimizeFor: entry.optimize_for ?? "auto",
    batchInvariant: entry.batch_invariant,
    isolation: entry.isolation ?? "thread",
    batching: {
      maxBatchSize: entry.batching?.max_batch_size,
      maxBatchCost: entry.batching?.max_batch_cost,
      window: entry.batching?.window,
      queueCapacity: entry.batching?.queue_capacity,
      latencyTarget: entry.batching?.latency_target,
      maxPaddedWaste: entry.batching?.max_padded_waste
    },
    cache: entry.cache ?? true,
    staleIfErrorMs,
    warmup: entry.warmup ?? [],
    keepLoaded: entry.keep_loaded ?? false,
    timeoutMs: entry.timeout_ms,
    runTimeout: entry.run_timeout,
    source: sourceOf(["models", name, "versions", version])
  }))
  return {
    name,
    description: model.description ?? "",
    defaultVersion: model.default_version,
    versions,
    rollout: readRollout(model.rollout_strategy),
    limits: model.limits,
    breaker: readBreaker(model),
    degradation,
    source: sourceOf(["models", name])
  }
}

/** Decodes and cross-checks a parsed registry. Paths resolve against the registry's own directory. */
export const decodeRegistry = (document: YamlDocument): Result.Result<Registry, ConfigError> =>
  Result.gen(function*() {
    const registry: RegistryYaml = yield* decodeYaml(RegistrySchema, document)
    const error = configError(registryMistakes(registry, document))
    if (error !== undefined) return yield* Result.fail(error)
    const directory = dirname(document.file)
    const models = Object.entries(registry.models).map(([name, model]) => readModel(name, model, document, directory))
    const [first] = models
    if (first === undefined) {
      const problem = "a registry needs at least one model"
      const mistake = { source: document.file, line: document.lineOf(["models"]), field: "models", problem }
      return yield* Result.fail(new ConfigError({ mistakes: [mistake] }))
    }
    return {
      file: document.file,
      defaultModel: registry.default_model ?? first.name,
      models,
      notices: models.flatMap(rolloutNotice)
    }
  })
