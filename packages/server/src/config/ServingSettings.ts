/**
 * What the settings say to every model version. Pure.
 */
import type { CacheLimits } from "@sluice/core/registry/VersionEviction"
import type { ServingConfig } from "@sluice/core/registry/VersionPlan"
import * as Duration from "effect/Duration"
import type { Settings } from "./Settings.ts"

export const servingConfig = ({ batching, execution, limits, models }: Settings, cores: number): ServingConfig => ({
  cores,
  inlineBoundMs: Duration.toMillis(execution.inlineBound),
  device: models.device,
  precision: models.precision,
  maxBatchSize: batching.maxBatchSize,
  maxBatchCost: undefined,
  window: batching.window,
  queueCapacity: batching.queueCapacity,
  timeoutMs: Duration.toMillis(limits.requestTimeout),
  runTimeout: limits.runTimeout
})

/** Which model versions stay in memory. */
export const cacheLimits = ({ models }: Settings): CacheLimits => ({
  versions: models.cacheSize ?? Infinity,
  bytes: models.memoryBudget ?? Infinity
})
