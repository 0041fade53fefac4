/**
 * How a version is laid out over the cores: how many instances, of how many threads, and in whose worker.
 */
import type { ServingDefaults } from "@sluice/plugin-sdk/Plugin"

export interface ThreadPlan {
  readonly instances: number
  readonly threads: number
  readonly shareWorker: boolean
}

/** What a plugin leaves unsaid: one instance that may use every core, in a worker of its own. */
export const servingDefaults: ServingDefaults = { instances: 1, threads: "cores", maxBatchSize: 16, shareWorker: false }

/**
 * What the registry entry says wins over what the plugin prefers. Instances that were not asked for by number never
 * take more threads together than there are cores.
 */
export const planThreads = (input: {
  readonly cores: number
  readonly serving: Partial<ServingDefaults> | undefined
  readonly instances: number | undefined
  readonly threads: number | undefined
}): ThreadPlan => {
  const serving = { ...servingDefaults, ...input.serving }
  const asNumber = (value: number | "cores") => value === "cores" ? input.cores : value
  const threads = input.threads ?? asNumber(serving.threads)
  const preferred = asNumber(serving.instances)
  const instances = input.instances ??
    (input.threads === undefined ? preferred : Math.max(1, Math.min(preferred, Math.floor(input.cores / threads))))
  return { instances, threads, shareWorker: serving.shareWorker }
}
