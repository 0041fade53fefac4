/**
 * How long a serving process that ended waits to be replaced. Pure.
 */

const firstMs = 100
const longestMs = 10_000

/** One that lived this long, in ms, is not at fault for what came before. */
const soundMs = 30_000

export interface Restart {
  /** Restarts in a row, this one among them. */
  readonly count: number
  readonly delayMs: number
}

/** The first comes after 100 ms, each further one after twice the time, up to 10 s, until a process lives for 30 s. */
export const nextRestart = (before: number, livedMs: number): Restart => {
  const earlier = livedMs >= soundMs ? 0 : before
  return { count: earlier + 1, delayMs: Math.min(longestMs, firstMs * 2 ** earlier) }
}
