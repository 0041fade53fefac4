/**
 * Monotonic time in milliseconds, with fractions, from the fiber's own Clock so that tests can hold it still.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

const liveClock = Context.get(Context.empty(), Clock.Clock)

/** Node's own clock costs a tenth of Effect's, which counts nanoseconds in bigints. The two have different zeros. */
const readerOf = (clock: Clock.Clock): () => number =>
  clock === liveClock ? () => performance.now() : () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/** Reads the time without an Effect, for code that runs thousands of times a second. */
export const monotonicReader: Effect.Effect<() => number> = Effect.map(Clock.Clock, readerOf)

export const monotonicMs: Effect.Effect<number> = Effect.map(Clock.Clock, (clock) => readerOf(clock)())
