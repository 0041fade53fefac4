/**
 * Computations under way, by key: what lets several callers of one item share one computation.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { ItemOutput } from "../ItemOutput.ts"

/**
 * Done with the output once there is one. Done with undefined when there will be none: the reason is its leader's own (it
 * left, was refused, ran out of time), so those who wait compute for themselves.
 */
export interface Flight {
  readonly key: string
  readonly landing: Deferred.Deferred<ItemOutput | undefined>
  output: ItemOutput | undefined
}

export class Flights {
  readonly #byKey = new Map<string, Flight>()

  get(key: string): Flight | undefined {
    return this.#byKey.get(key)
  }

  /** Makes the caller the key's leader, who has to `deliver` or `land` it; undefined where there is one already. */
  claim(key: string): Flight | undefined {
    if (this.#byKey.has(key)) return undefined
    const flight: Flight = { key, landing: Deferred.makeUnsafe(), output: undefined }
    this.#byKey.set(key, flight)
    return flight
  }

  /** Gives the output to those who wait. Later callers find it here until the flight lands. */
  deliver(flight: Flight, output: ItemOutput): void {
    flight.output = output
    Deferred.doneUnsafe(flight.landing, Effect.succeed(output))
  }

  land(flight: Flight): void {
    Deferred.doneUnsafe(flight.landing, Effect.undefined)
    if (this.#byKey.get(flight.key) === flight) this.#byKey.delete(flight.key)
  }

  /** New callers no longer find the flights of these keys; those who wait already still get their output. */
  forget(prefix: string): void {
    for (const key of this.#byKey.keys()) if (key.startsWith(prefix)) this.#byKey.delete(key)
  }
}
