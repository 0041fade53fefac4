/**
 * How much of a rate is used up: a sliding window in this process's memory. `TakeScript.ts` does the same in Redis.
 *
 * Units are counted in stretches of time. A stretch leaves the window when its last unit does, so that no unit is forgotten
 * before its time: in no `windowMs` are there more than the amount. Up to `exactAmount` each unit leaves for itself; above,
 * a stretch spans at most 1/128 of the window, by which a unit may be counted too long.
 */

/** Rates up to this amount keep every unit's own time. */
export const exactAmount = 128
/** A stretch spans this part of the window, where the amount is above. */
export const stretchesPerWindow = 128
/** What is held at most, whatever is debited. */
export const mostStretches = 160

interface Stretch {
  readonly firstMs: number
  lastMs: number
  /** Units counted before it and up to its end, since the window was last empty. */
  readonly before: number
  after: number
}

export interface WindowState {
  readonly fits: boolean
  /** Units in the window. */
  readonly used: number
  /** Milliseconds until the first of them leave it; 0 where there are none. */
  readonly backMs: number
  /** Milliseconds until there is room for what was needed; 0 where there is. */
  readonly waitMs: number
}

/** Times are monotonic, in milliseconds. */
export class SlidingWindow {
  readonly #windowMs: number
  /** Oldest first. */
  readonly #stretches: Array<Stretch> = []

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** Whether nothing is in it any more. */
  isEmpty(nowMs: number): boolean {
    this.#trim(nowMs)
    return this.#stretches.length === 0
  }

  /** Whether there is room for so many units beside those in the window. Nothing needed always fits. */
  look(nowMs: number, amount: number, need: number): WindowState {
    this.#trim(nowMs)
    const [head] = this.#stretches
    const tail = this.#stretches.at(-1)
    if (head === undefined || tail === undefined) return { fits: need <= amount, used: 0, backMs: 0, waitMs: 0 }
    const used = tail.after - head.before
    const backMs = head.lastMs + this.#windowMs - nowMs
    const excess = need === 0 ? 0 : used + need - amount
    if (excess <= 0) return { fits: true, used, backMs, waitMs: 0 }
    const gone = this.#stretches.find(({ after }) => after - head.before >= excess) ?? tail
    return { fits: false, used, backMs, waitMs: gone.lastMs + this.#windowMs - nowMs }
  }

  add(nowMs: number, amount: number, units: number): void {
    const tail = this.#stretches.at(-1)
    const widthMs = amount <= exactAmount ? 0 : this.#windowMs / stretchesPerWindow
    if (tail !== undefined && (nowMs - tail.firstMs < widthMs || this.#stretches.length >= mostStretches)) {
      tail.lastMs = nowMs
      tail.after += units
      return
    }
    const before = tail?.after ?? 0
    this.#stretches.push({ firstMs: nowMs, lastMs: nowMs, before, after: before + units })
  }

  #trim(nowMs: number): void {
    let gone = 0
    for (const { lastMs } of this.#stretches) {
      if (lastMs + this.#windowMs > nowMs) break
      gone++
    }
    if (gone > 0) this.#stretches.splice(0, gone)
  }
}
