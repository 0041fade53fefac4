/**
 * Copies of requests that wait to be computed by another version, for comparison. Nobody waits for them, so they have what
 * is left over: one at a time, only while both versions have an idle instance, and none that is late.
 */

/** Why a copy was not computed is told to who offered it. */
export interface Copy {
  /** Whether it would hold nobody up. */
  readonly mayRun: () => boolean
  /** Computes it; `done` is called once. */
  readonly run: (done: () => void) => void
  readonly drop: () => void
}

export interface CopyQueueOptions {
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  /** Calls back after so many milliseconds. */
  readonly later: (delayMs: number, wake: () => void) => void
}

const mostWaiting = 64
/** A copy that waited longer says little of the load that its request met. */
const latestMs = 2_000
/** How often it is looked whether there is room. */
const lookAgainMs = 2

export class CopyQueue {
  readonly #options: CopyQueueOptions
  readonly #waiting: Array<{ readonly copy: Copy; readonly offeredMs: number }> = []
  #running = false
  #looksAgain = false

  constructor(options: CopyQueueOptions) {
    this.#options = options
  }

  /** Takes a copy; the oldest gives way to it where too many wait. */
  offer(copy: Copy): void {
    if (this.#waiting.length >= mostWaiting) this.#waiting.shift()?.copy.drop()
    this.#waiting.push({ copy, offeredMs: this.#options.now() })
    this.#lookLater()
  }

  #lookLater(): void {
    if (this.#looksAgain || this.#running) return
    this.#looksAgain = true
    this.#options.later(lookAgainMs, () => {
      this.#looksAgain = false
      this.#look()
    })
  }

  #look(): void {
    const tooOld = this.#options.now() - latestMs
    while (this.#waiting.length > 0 && this.#waiting[0]!.offeredMs < tooOld) this.#waiting.shift()?.copy.drop()
    const next = this.#waiting[0]
    if (next === undefined) return
    if (!next.copy.mayRun()) return this.#lookLater()
    this.#waiting.shift()
    this.#running = true
    next.copy.run(() => {
      this.#running = false
      if (this.#waiting.length > 0) this.#lookLater()
    })
  }
}
