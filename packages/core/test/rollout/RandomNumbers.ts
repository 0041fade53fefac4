/**
 * Random numbers with a seed, for simulations that are the same each time.
 */

/** Uniform in [0, 1): Mulberry32 (Tommy Ettinger, 2017). */
export const randomNumbers = (seed: number): () => number => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Standard normal values, drawn once: simulations draw from these, which costs a tenth of drawing anew. */
const normals = ((): Float64Array => {
  const random = randomNumbers(1)
  return Float64Array.from(
    { length: 32_768 },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  )
})()

const populations = new Map<string, Float64Array>()

const populationOf = (spread: number, factor: number): Float64Array => {
  const name = `${spread} ${factor}`
  const known = populations.get(name) ?? normals.map((normal) => 10 * factor * Math.exp(spread * normal))
  populations.set(name, known)
  return known
}

/** Log-normal latencies with a median of 10 ms; a `spread` of 1 is a heavy tail, whose p99 is ten times the median. */
export const latencies = (random: () => number, spread: number, factor = 1): () => number => {
  const population = populationOf(spread, factor)
  return () => population[Math.floor(random() * population.length)]!
}
