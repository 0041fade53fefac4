/**
 * The axes of a plot: where round numbers lie, and where a value lies among them.
 */

export interface Scale {
  readonly ticks: ReadonlyArray<number>
  /** From a value to its place: 0 at the lower end, 1 at the upper. */
  readonly place: (value: number) => number
}

/** The round number (1, 2 or 5 times a power of ten) at or above a step. */
const roundStep = (step: number): number => {
  const power = 10 ** Math.floor(Math.log10(step))
  const factor = [1, 2, 5, 10].find((candidate) => candidate * power >= step * (1 - 1e-9)) ?? 10
  return factor * power
}

/** From 0 to a round number at or above the greatest value, with 3 to 7 ticks. Values are 0 or more; others are left out. */
export const linearScale = (values: ReadonlyArray<number>): Scale => {
  const greatest = Math.max(0, ...values.filter((value) => Number.isFinite(value)))
  const step = greatest === 0 ? 0.5 : roundStep(greatest / 5)
  const count = greatest === 0 ? 2 : Math.max(2, Math.ceil(greatest / step - 1e-9))
  const decimals = Math.max(0, -Math.floor(Math.log10(step)))
  const ticks = Array.from({ length: count + 1 }, (_, i) => Number((i * step).toFixed(decimals)))
  const last = ticks.at(-1)!
  return { ticks, place: (value) => value / last }
}

const logTicks = [1, 2, 5]

/**
 * From a power of ten at or below the least value to one at or above the greatest, with ticks at 1, 2 and 5 of each power
 * (at the powers alone over more than three of them). Values above 0; others are left out.
 */
export const logarithmicScale = (values: ReadonlyArray<number>): Scale => {
  const positive = values.filter((value) => Number.isFinite(value) && value > 0)
  const exponents = positive.map(Math.log10)
  const first = positive.length === 0 ? 0 : Math.floor(Math.min(...exponents) + 1e-9)
  const last = positive.length === 0 ? 1 : Math.max(first + 1, Math.ceil(Math.max(...exponents) - 1e-9))
  const factors = last - first > 3 ? [1] : logTicks
  const ticks = Array.from({ length: last - first }, (_, i) => i + first)
    .flatMap((exponent) => factors.map((factor) => Number(`${factor}e${exponent}`)))
  return {
    ticks: [...ticks, Number(`1e${last}`)],
    place: (value) => (Math.log10(value) - first) / (last - first)
  }
}
