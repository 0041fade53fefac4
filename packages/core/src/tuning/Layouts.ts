/**
 * Which layouts of instances and threads are worth measuring on a machine. Pure.
 */
import type { FixedPlan, Layout } from "./PlanChoice.ts"

/** The threads of an instance that are tried, below all cores. */
const triedThreads = [1, 2, 4, 8]

/** No layout's copies of a model may take more than this share of the memory that is left. */
const memoryShare = 0.5

/**
 * Those that use every core, from as many instances of one thread as there are cores to one instance of all. What is
 * fixed stays; a layout whose copies of the file do not fit into memory is left out, unless it is the only one.
 */
export const candidateLayouts = (
  machine: { readonly cores: number; readonly availableBytes: number },
  fileBytes: number,
  fixed: FixedPlan
): ReadonlyArray<Layout> => {
  const { cores } = machine
  const threads = [...new Set([...triedThreads.filter((threads) => threads < cores), cores])]
  const layouts = fixed.threads !== undefined
    ? [{ threads: fixed.threads, instances: fixed.instances ?? Math.max(1, Math.floor(cores / fixed.threads)) }]
    : fixed.instances === undefined
    ? threads.map((threads) => ({ threads, instances: Math.max(1, Math.floor(cores / threads)) }))
    : [...new Set([1, Math.max(1, Math.floor(cores / fixed.instances))])].map((threads) => ({
      threads,
      instances: fixed.instances ?? 1
    }))
  const fitting = layouts.filter(({ instances }) => instances * fileBytes <= machine.availableBytes * memoryShare)
  return fitting.length > 0 ? fitting : layouts.slice(-1)
}
