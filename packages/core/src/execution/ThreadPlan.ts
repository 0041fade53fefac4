/**
 * How a version is laid out over the cores: how many instances, of how many threads, and in whose worker.
 */
import type { ServingDefaults } from "@sluice/plugin-sdk/Plugin"

/** What a worker is: a thread of this process, or a process of its own. */
export type Isolation = "thread" | "process"

export interface ThreadPlan {
  readonly instances: number
  readonly threads: number
  readonly isolation: Isolation
  /** Never with `process`: there each instance has its own. */
  readonly shareWorker: boolean
  /** The number of the first shared worker; 0 when left out. */
  readonly firstSlot?: number
}

/** What a plugin leaves unsaid: one instance that may use every core, in a worker of its own. */
export const servingDefaults: ServingDefaults = {
  instances: 1,
  threads: "cores",
  maxBatchSize: 16,
  inline: false,
  shareWorker: false
}

/**
 * What the registry entry says wins over what the plugin prefers. What it leaves unsaid never makes instances and
 * threads together take more than there are cores.
 */
export const planThreads = (input: {
  readonly cores: number
  readonly serving: Partial<ServingDefaults> | undefined
  readonly instances: number | undefined
  readonly threads: number | undefined
  readonly isolation: Isolation
}): ThreadPlan => {
  const { isolation } = input
  const serving = { ...servingDefaults, ...input.serving }
  const within = (preferred: number | "cores", others: number) =>
    Math.max(1, Math.min(preferred === "cores" ? input.cores : preferred, Math.floor(input.cores / others)))
  const instances = input.instances ?? within(serving.instances, input.threads ?? 1)
  const threads = input.threads ?? within(serving.threads, instances)
  return { instances, threads, isolation, shareWorker: isolation === "thread" && serving.shareWorker }
}
