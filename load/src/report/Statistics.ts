/**
 * What rounds and latencies are reduced to: medians, percentiles, spread.
 */

const sorted = (values: ReadonlyArray<number>): ReadonlyArray<number> => values.toSorted((a, b) => a - b)

/**
 * The middle value; the mean of the two in the middle where there are as many on each side. NaN for none, and where one
 * of them is NaN.
 */
export const median = (values: ReadonlyArray<number>): number => {
  if (values.length === 0 || values.some(Number.isNaN)) return NaN
  const ranked = sorted(values)
  const middle = ranked.length >> 1
  return ranked.length % 2 === 1 ? ranked[middle]! : (ranked[middle - 1]! + ranked[middle]!) / 2
}

/**
 * The least value that at least `percent` of 100 values are not above (nearest rank: always one that was measured).
 * NaN for none.
 */
export const percentile = (values: ReadonlyArray<number>, percent: number): number => {
  const ranked = sorted(values)
  return ranked[Math.max(0, Math.ceil((percent / 100) * ranked.length) - 1)] ?? NaN
}

export const mean = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Round by round; a round that lacks one of the two is NaN. */
export const ratios = (over: ReadonlyArray<number>, under: ReadonlyArray<number>): ReadonlyArray<number> =>
  over.map((value, round) => value / (under[round] ?? NaN))

/** Three significant digits, and never fewer than those before the point. */
export const figure = (value: number): string => {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "none" : "infinite"
  const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)))
  return value.toFixed(Math.min(6, Math.max(0, 2 - magnitude)))
}

/** `median (least..most)`, or the one value there is. */
export const spread = (values: ReadonlyArray<number>): string => {
  if (values.length === 0) return "none"
  const middle = figure(median(values))
  return values.length === 1 ? middle : `${middle} (${figure(Math.min(...values))}..${figure(Math.max(...values))})`
}

/** The cosine of the angle between two vectors of one length. */
export const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let dot = 0
  let lengthA = 0
  let lengthB = 0
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    lengthA += a[i]! ** 2
    lengthB += b[i]! ** 2
  }
  return dot / Math.sqrt(lengthA * lengthB)
}
