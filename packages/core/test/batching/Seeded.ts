/**
 * Numbers that look random and are the same in every run.
 */

/** Uniform in 0..1 (mulberry32). */
export const seeded = (seed: number): () => number => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A factor around 1 of that relative standard deviation, at least 0.1 (Box and Muller). */
export const noiseOf = (random: () => number, deviation: number): number => {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return Math.max(0.1, 1 + deviation * normal)
}
