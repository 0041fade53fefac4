/**
 * Who uses a version now: it is put away only when nobody does.
 */
import * as Effect from "effect/Effect"

export class VersionUse {
  #users = 0
  #lastUsedMs: number
  #onIdle: Array<() => void> = []

  /** `nowMs`: monotonic, in milliseconds. */
  constructor(nowMs: number) {
    this.#lastUsedMs = nowMs
  }

  get users(): number {
    return this.#users
  }

  /** When the last call began, or when it was loaded. */
  get lastUsedMs(): number {
    return this.#lastUsedMs
  }

  enter(nowMs: number): void {
    this.#users++
    this.#lastUsedMs = nowMs
  }

  /** Once for each `enter`. */
  leave(): void {
    if (--this.#users > 0 || this.#onIdle.length === 0) return
    const waiting = this.#onIdle
    this.#onIdle = []
    for (const resume of waiting) resume()
  }

  /** Waits until nobody uses it. */
  readonly idle: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.#users === 0) return resume(Effect.void)
    const wake = () => resume(Effect.void)
    this.#onIdle.push(wake)
    return Effect.sync(() => {
      this.#onIdle = this.#onIdle.filter((other) => other !== wake)
    })
  })
}
