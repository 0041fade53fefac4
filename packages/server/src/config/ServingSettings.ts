/**
 * What the settings say to every model version. Pure.
 */
import type { Limits } from "@sluice/core/limits/Limits"
import type { RateLimitsOptions } from "@sluice/core/limits/RateLimits"
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

/** Undefined where none is set. */
const limitsOf = (limits: { readonly [K in keyof Limits]-?: Limits[K] | undefined }): Limits | undefined => {
  const { concurrent, items, requests, tokens } = limits
  if (concurrent === undefined && items === undefined && requests === undefined && tokens === undefined) {
    return undefined
  }
  return {
    ...(requests === undefined ? {} : { requests }),
    ...(items === undefined ? {} : { items }),
    ...(tokens === undefined ? {} : { tokens }),
    ...(concurrent === undefined ? {} : { concurrent })
  }
}

export const rateLimitsOptions = ({ rateLimits }: Settings): RateLimitsOptions => ({
  global: limitsOf(rateLimits),
  perKey: limitsOf(rateLimits.perKey),
  fail: rateLimits.fail,
  bypass: rateLimits.bypass
})
