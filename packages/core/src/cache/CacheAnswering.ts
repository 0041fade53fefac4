/**
 * The answer to one request as it comes together: what was found, what was computed, and what may stand in for it. Plain.
 */
import * as Result from "effect/Result"
import type { ItemOutput } from "../ItemOutput.ts"
import type { Judged } from "./Freshness.ts"
import type { StoredOutput } from "./ItemOutputCodec.ts"

export type CacheStatus = "hit" | "miss" | "partial" | "bypass"

export interface CacheAnswer<E> {
  /** In the order of the inputs. */
  readonly outcomes: ReadonlyArray<Result.Result<ItemOutput, E>>
  /** Whether the item's output was there already when it was asked for. */
  readonly hits: ReadonlyArray<boolean>
  /** Whether the item's output is past its time, given because the model could not answer. */
  readonly stale: ReadonlyArray<boolean>
  readonly status: CacheStatus
  /** Milliseconds since the oldest of what was there already was stored; undefined where nothing was. */
  readonly ageMs: number | undefined
}

const statusOf = (hits: ReadonlyArray<boolean>): CacheStatus => {
  if (!hits.includes(true)) return "miss"
  return hits.includes(false) ? "partial" : "hit"
}

export class CacheAnswering<E> {
  /** In the order of the request, with repetitions. */
  readonly #keys: ReadonlyArray<string>
  readonly #outcomes = new Map<string, Result.Result<ItemOutput, E>>()
  /** When what was there already was stored; undefined for what another caller computed just now. */
  readonly #found = new Map<string, number | undefined>()
  /** What is past its time. */
  readonly #old = new Map<string, StoredOutput>()
  readonly #stale = new Set<string>()

  constructor(keys: ReadonlyArray<string>) {
    this.#keys = keys
  }

  /** Takes what was found under a key: an entry, or what another caller has computed. False where it has to be computed. */
  looked(key: string, judged: Judged | undefined, computed: ItemOutput | undefined): boolean {
    const output = judged?.fresh === true ? judged.stored.output : computed
    if (output !== undefined) {
      this.#outcomes.set(key, Result.succeed(output))
      this.#found.set(key, judged?.fresh === true ? judged.stored.times.storedAt : undefined)
      return true
    }
    if (judged !== undefined) this.#old.set(key, judged.stored)
    return false
  }

  computed(key: string, outcome: Result.Result<ItemOutput, E>): void {
    this.#outcomes.set(key, outcome)
  }

  /** How many items of the request were there already. */
  get hits(): number {
    return this.#keys.reduce((total, key) => this.#found.has(key) ? total + 1 : total, 0)
  }

  get hasStale(): boolean {
    return this.#old.size > 0
  }

  /** Everything that has no outcome failed so. */
  unavailable(error: E): void {
    for (const key of this.#keys) if (!this.#outcomes.has(key)) this.#outcomes.set(key, Result.fail(error))
  }

  /** Has what is past its time stand in for what failed so, and gives how many items of the request that were. */
  useStale(isUnavailable: (error: E) => boolean): number {
    for (const [key, { output, times }] of this.#old) {
      const outcome = this.#outcomes.get(key)
      if (outcome === undefined || Result.isSuccess(outcome) || !isUnavailable(outcome.failure)) continue
      this.#outcomes.set(key, Result.succeed(output))
      this.#found.set(key, times.storedAt)
      this.#stale.add(key)
    }
    return this.#keys.reduce((total, key) => this.#stale.has(key) ? total + 1 : total, 0)
  }

  /** `now` in epoch milliseconds. */
  answer(now: number): CacheAnswer<E> {
    const hits = this.#keys.map((key) => this.#found.has(key))
    let oldest: number | undefined
    for (const storedAt of this.#found.values()) oldest = Math.min(oldest ?? now, storedAt ?? now)
    return {
      outcomes: this.#keys.flatMap((key) => this.#outcomes.get(key) ?? []),
      hits,
      stale: this.#keys.map((key) => this.#stale.has(key)),
      status: statusOf(hits),
      ageMs: oldest === undefined ? undefined : Math.max(0, now - oldest)
    }
  }
}
