/**
 * What a scenario found: figures by round, demands with their verdicts, plots, and what should be known when reading them.
 */
import type { Budget } from "./Budgets.ts"
import { median } from "./Statistics.ts"

/** One quantity, measured once a round. */
export interface Measurement {
  readonly what: string
  readonly unit: string
  readonly values: ReadonlyArray<number>
}

/** A demand beside what was measured: met when the median of the rounds is within the bound. */
export interface Verdict extends Measurement, Budget {
  readonly name: string
  readonly met: boolean
}

export interface Plot {
  /** The file's name, without its ending. */
  readonly name: string
  readonly title: string
  readonly x: string
  readonly y: string
  /** By powers of ten; values above 0 only. */
  readonly logarithmicY?: boolean
  readonly series: ReadonlyArray<{
    readonly name: string
    /** Series of one subject share their colour. The name when left out. */
    readonly subject?: string
    readonly dashed?: boolean
    readonly points: ReadonlyArray<readonly [x: number, y: number]>
  }>
}

export interface Outcome {
  readonly measurements: ReadonlyArray<Measurement>
  readonly verdicts: ReadonlyArray<Verdict>
  readonly notes: ReadonlyArray<string>
  readonly plots: ReadonlyArray<Plot>
}

/** A scenario that cannot be run here. The sentence says what it lacks, and how to get it. */
export class Skipped extends Error {
  override readonly name = "Skipped"
}

/** Nothing measured meets nothing: a median that is not a number is a miss. */
export const judge = (name: string, budget: Budget, unit: string, values: ReadonlyArray<number>): Verdict => {
  const middle = median(values)
  const met = budget.bound === "at_least" ? middle >= budget.limit : middle <= budget.limit
  return { ...budget, name, what: budget.demand, unit, values, met }
}
