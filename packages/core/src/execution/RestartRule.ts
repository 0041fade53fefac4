/**
 * When an instance that ended is started again, and when it has ended too often to count on. Pure.
 */

/** An instance that has lived for so long after loading, in ms, is healthy: its earlier ends are forgotten. */
export const healthyAfterMs = 30_000

/** Ends in a row without a healthy life between them, after which an instance is failing. */
const endLimit = 5

export const isFailing = (ends: number): boolean => ends >= endLimit

/** After the first end 100 ms, each time twice as long; once it is failing, 10 s. Milliseconds. */
export const restartDelayMs = (ends: number): number => isFailing(ends) ? 10_000 : 100 * 2 ** (ends - 1)
