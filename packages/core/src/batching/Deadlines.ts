/**
 * Tells requests that their time is up. One timer for all of them, set to the earliest: most requests are answered long
 * before, and a timer each would cost more than their queueing.
 */
import { type Member, Roster } from "../Roster.ts"
import type { Schedule } from "./QueueOptions.ts"

export interface Expiring extends Member {
  /** Monotonic, in milliseconds. */
  readonly deadlineMs: number
}

/** Deadlines closer together than this expire together, in milliseconds. */
const granularityMs = 1

export interface DeadlinesOptions<Request> {
  readonly now: () => number
  readonly schedule: Schedule
  readonly expire: (request: Request) => void
}

export class Deadlines<Request extends Expiring> {
  readonly #options: DeadlinesOptions<Request>
  readonly #requests = new Roster<Request>()
  #wakesAtMs = Infinity
  #cancel: (() => void) | undefined

  constructor(options: DeadlinesOptions<Request>) {
    this.#options = options
  }

  add(request: Request): void {
    this.#requests.add(request)
    if (request.deadlineMs < this.#wakesAtMs) this.#wakeAt(request.deadlineMs)
  }

  remove(request: Request): void {
    this.#requests.delete(request)
  }

  /** All that are neither removed nor expired; they are forgotten. */
  clear(): ReadonlyArray<Request> {
    const left = this.#requests.clear()
    this.#cancel?.()
    this.#cancel = undefined
    this.#wakesAtMs = Infinity
    return left
  }

  #wakeAt(ms: number): void {
    this.#cancel?.()
    this.#wakesAtMs = ms
    this.#cancel = ms === Infinity
      ? undefined
      : this.#options.schedule(Math.max(granularityMs, ms - this.#options.now()), () => this.#sweep())
  }

  #sweep(): void {
    const nowMs = this.#options.now()
    let earliestMs = Infinity
    const expired: Array<Request> = []
    for (const request of this.#requests) {
      if (request.deadlineMs <= nowMs) expired.push(request)
      else if (request.deadlineMs < earliestMs) earliestMs = request.deadlineMs
    }
    this.#wakeAt(earliestMs)
    for (const request of expired) {
      this.#requests.delete(request)
      this.#options.expire(request)
    }
  }
}
