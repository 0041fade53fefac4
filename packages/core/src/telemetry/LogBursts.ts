/**
 * Which of the things that happen again and again get a line in the log of their own: the first ones do, and those of what
 * goes on happening are summed, a line an interval. Pure.
 */

/** So many are told at once, until it has been quiet for an interval. */
const toldAtOnce = 5
export const summaryIntervalMs = 10_000

interface Burst {
  told: number
  lastMs: number
  /** Since the last summary. */
  summed: number
}

export class LogBursts {
  readonly #bursts = new Map<string, Burst>()

  /** It happened to this key. `tell`: it gets a line. `sum`: it does not, and a summary is due in an interval. `keep`: one is already. */
  note(key: string, nowMs: number): "tell" | "sum" | "keep" {
    const known = this.#bursts.get(key)
    const isOver = known !== undefined && known.summed === 0 && nowMs - known.lastMs > summaryIntervalMs
    const burst = known === undefined || isOver ? { told: 0, lastMs: nowMs, summed: 0 } : known
    this.#bursts.set(key, burst)
    burst.lastMs = nowMs
    if (burst.told < toldAtOnce) {
      burst.told++
      return "tell"
    }
    burst.summed++
    return burst.summed === 1 ? "sum" : "keep"
  }

  /** How many the summary that is due now tells of. */
  summary(key: string): number {
    const burst = this.#bursts.get(key)
    if (burst === undefined) return 0
    const { summed } = burst
    burst.summed = 0
    return summed
  }
}
