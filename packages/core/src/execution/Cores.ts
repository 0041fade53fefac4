/**
 * How many cores this process may really use: the container's CPU quota where there is one, not the host's count.
 */
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import * as Os from "node:os"

/** cgroup v2 `cpu.max` is "quota period" or "max period" in microseconds; undefined when nothing is limited. */
export const quotaFromCpuMax = (text: string): number | undefined => {
  const [quota, period] = text.trim().split(/\s+/).map(Number)
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : undefined
}

/** A quota of 1.5 cores runs one thread well and two badly, so it is rounded down, but never below one. */
export const usableCores = (available: number, quota: number | undefined): number =>
  Math.max(1, quota === undefined ? available : Math.min(available, Math.floor(quota)))

/** What each of several server processes may use, so that together they use no more than there are; at least one each. */
export const coresOfEach = (cores: number, processes: number): number => Math.max(1, Math.floor(cores / processes))

const readText = (path: string): string | undefined => {
  try {
    return Fs.readFileSync(path, "utf8")
  } catch {
    return undefined
  }
}

const readQuota = (): number | undefined => {
  const unified = readText("/sys/fs/cgroup/cpu.max")
  if (unified !== undefined) return quotaFromCpuMax(unified)
  const quota = readText("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
  const period = readText("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
  return quota === undefined || period === undefined ? undefined : quotaFromCpuMax(`${quota} ${period}`)
}

export const detectCores: Effect.Effect<number> = Effect.sync(() => usableCores(Os.availableParallelism(), readQuota()))
