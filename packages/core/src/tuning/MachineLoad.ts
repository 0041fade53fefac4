/**
 * How busy a machine is with other work: measurements taken meanwhile say little.
 */
import * as Effect from "effect/Effect"
import * as Os from "node:os"

export interface CpuCount {
  /** Milliseconds of all cores together, since the machine started. */
  readonly total: number
  readonly busy: number
  /** Of this process, its threads included. */
  readonly own: number
}

/** Which share of the machine others used between two counts, 0 to 1. */
export const shareOfOthers = (from: CpuCount, to: CpuCount): number => {
  const total = to.total - from.total
  const others = to.busy - from.busy - (to.own - from.own)
  return total <= 0 ? 0 : Math.min(1, Math.max(0, others / total))
}

const countCpu: Effect.Effect<CpuCount> = Effect.sync(() => {
  const all = Os.cpus().map(({ times }) => times)
  const total = all.reduce((sum, times) => sum + times.user + times.nice + times.sys + times.irq + times.idle, 0)
  const idle = all.reduce((sum, { idle }) => sum + idle, 0)
  const { system, user } = process.cpuUsage()
  return { total, busy: total - idle, own: (user + system) / 1000 }
})

/** Starts counting; what it gives is the share of the machine that others have used since. */
export const watchOthers: Effect.Effect<Effect.Effect<number>> = Effect.map(
  countCpu,
  (from) => Effect.map(countCpu, (to) => shareOfOthers(from, to))
)
