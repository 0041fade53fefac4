/**
 * The axes of a plot: where round numbers lie, and where a value lies among them.
 */

export interface Scale {
  readonly ticks: ReadonlyArray<number>
  /** From a value to its place: 0 at the first tick, 1 at the last. */
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
