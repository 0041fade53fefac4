/**
 * Who holds the slots of a limit on concurrent calls, in this process's memory.
 */

/** Times are monotonic, in milliseconds. */
export class SlotLeases {
  readonly #expiresAt = new Map<string, number>()
  /** No lease is over before. */
  #earliestMs = Infinity

  /** Slots that are held now. */
  used(nowMs: number): number {
    if (nowMs >= this.#earliestMs) {
      this.#earliestMs = Infinity
      for (const [lease, expiresAtMs] of this.#expiresAt) {
        if (expiresAtMs <= nowMs) this.#expiresAt.delete(lease)
        else this.#earliestMs = Math.min(this.#earliestMs, expiresAtMs)
      }
    }
    return this.#expiresAt.size
  }

  hold(lease: string, expiresAtMs: number): void {
    this.#expiresAt.set(lease, expiresAtMs)
    this.#earliestMs = Math.min(this.#earliestMs, expiresAtMs)
  }

  release(lease: string): void {
    this.#expiresAt.delete(lease)
  }
}
