/**
 * The time for which a batch collects from its first arrival on, where one is set: less when a member's deadline is near.
 */
import type { Schedule } from "./QueueOptions.ts"

export interface WindowOptions {
  readonly windowMs: number
  readonly schedule: Schedule
  /** Called when the window closes. */
  readonly onClose: () => void
}

/** The member that decides when the window closes: the one that is due first. Times monotonic, in milliseconds. */
export interface FirstMember {
  readonly arrivedMs: number
  readonly dueMs: number
  /** What the batch is predicted to take. */
  readonly batchMs: number
}

/** So much of a member's time is left for its computing, at least; a prediction counts twice. */
const leftForComputing = 0.1

export class BatchWindow {
  readonly #options: WindowOptions
  #closesMs: number | undefined
  #cancel = (): void => undefined

  constructor(options: WindowOptions) {
    this.#options = options
  }

  /** Whether it is open for a batch with that member. */
  isOpen({ arrivedMs, batchMs, dueMs }: FirstMember, nowMs: number): boolean {
    const { onClose, schedule, windowMs } = this.#options
    const neededMs = Math.max(2 * batchMs, (dueMs - arrivedMs) * leftForComputing)
    const closesMs = Math.min(arrivedMs + windowMs, dueMs - neededMs)
    if (closesMs <= nowMs) return false
    if (closesMs !== this.#closesMs) {
      this.#cancel()
      this.#closesMs = closesMs
      this.#cancel = schedule(closesMs - nowMs, () => {
        this.#closesMs = undefined
        onClose()
      })
    }
    return true
  }

  close(): void {
    this.#cancel()
  }
}
