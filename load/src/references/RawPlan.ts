/**
 * How onnxruntime-node in a plain loop may be laid out over the cores, and which layout is best.
 */

export interface RawPlan {
  readonly sessions: number
  /** Of each session. */
  readonly threads: number
  readonly batch: number
}

/** One-thread sessions on all cores with batches of one, and one session on all cores at a few batch sizes. */
export const rawPlans = (cores: number): ReadonlyArray<RawPlan> => [
  { sessions: cores, threads: 1, batch: 1 },
  ...(cores === 1 ? [8, 32] : [1, 8, 32]).map((batch) => ({ sessions: 1, threads: cores, batch }))
]

export const describePlan = ({ batch, sessions, threads }: RawPlan): string =>
  `${sessions} ${sessions === 1 ? "session" : "sessions"} of ${threads} ${
    threads === 1 ? "thread" : "threads"
  }, batches of ${batch}`

export interface TriedPlan {
  readonly plan: RawPlan
  readonly itemsPerSecond: number
}

export const bestPlan = <Tried extends TriedPlan>(tried: ReadonlyArray<Tried>): Tried =>
  tried.reduce((best, each) => (each.itemsPerSecond > best.itemsPerSecond ? each : best))
