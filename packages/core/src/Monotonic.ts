/**
 * Monotonic time in milliseconds, with fractions, from the fiber's own Clock so that tests can hold it still.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

export const monotonicMs: Effect.Effect<number> = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos) / 1e6)
