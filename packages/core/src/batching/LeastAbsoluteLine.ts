/**
 * The line through a few measured durations, for the start of a cost model: least sum of absolute relative errors.
 */

export interface DurationSample {
  /** Padded cost. */
  readonly cost: number
  readonly ms: number
}

interface Line {
  readonly fixedMs: number
  readonly perCostMs: number
}

const errorOf = (samples: ReadonlyArray<DurationSample>, { fixedMs, perCostMs }: Line): number =>
  samples.reduce((sum, { cost, ms }) => sum + Math.abs(fixedMs + perCostMs * cost - ms) / ms, 0)

/**
 * Neither coefficient is below 0. A best line goes through two of the points, or is bounded and goes through one, so all
 * of those are tried (Bloomfield and Steiger, Least Absolute Deviations, 1983): n³ steps. Costs and durations are above 0.
 */
export const leastAbsoluteLine = (samples: ReadonlyArray<DurationSample>): Line => {
  const lines = samples.flatMap(({ cost, ms }, i) => [
    { fixedMs: 0, perCostMs: ms / cost },
    { fixedMs: ms, perCostMs: 0 },
    ...samples.slice(i + 1).filter((other) => other.cost !== cost).map((other) => {
      const perCostMs = (other.ms - ms) / (other.cost - cost)
      return { fixedMs: ms - perCostMs * cost, perCostMs }
    })
  ])
  let best: Line = { fixedMs: 0, perCostMs: 0 }
  let least = Infinity
  for (const line of lines) {
    if (line.fixedMs < 0 || line.perCostMs < 0) continue
    const error = errorOf(samples, line)
    if (error >= least) continue
    best = line
    least = error
  }
  return best
}
