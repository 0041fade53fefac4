/**
 * From a measured table to a plan: how many instances of how many threads, and how large a batch. Pure.
 */
import type { OptimizeFor } from "../registry/RegistrySchema.ts"
import type { PlanPoint } from "./PlanTable.ts"

export interface Layout {
  readonly instances: number
  /** Threads of one instance. */
  readonly threads: number
}

/** What the operator has fixed; undefined is for the table to choose. */
export interface FixedPlan {
  readonly instances: number | undefined
  readonly threads: number | undefined
  readonly maxBatchSize: number | undefined
}

export interface PlanChoice extends Layout {
  readonly maxBatchSize: number
  /** Why, for operators. */
  readonly reason: string
}

/**
 * What differs by less is taken for equal: the machine's noise decides no plan, and the smaller batch or the shorter
 * wait is had for nothing.
 */
const tolerance = 0.05

/** A layout with all that was measured of it. */
interface Measured extends Layout {
  readonly batches: ReadonlyArray<number>
  /** Items a second in batches of at most so many: the geometric mean over the rows' costs. */
  readonly rate: (batch: number) => number
  /** The same with the best batch. */
  readonly bestRate: number
  /** Milliseconds that one row takes alone: the geometric mean over the rows' costs. */
  readonly aloneMs: number
}

const geometricMean = (values: ReadonlyArray<number>): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)

const distinct = (values: ReadonlyArray<number>): ReadonlyArray<number> => [...new Set(values)].sort((a, b) => a - b)

const measuredOf = (layout: Layout, points: ReadonlyArray<PlanPoint>): Measured => {
  const costs = distinct(points.map((point) => point.cost))
  const batches = distinct(points.map((point) => point.batch))
  const smallest = batches[0]!
  // Measuring stops where larger batches of long rows gain nothing more, so the largest that was measured stands for them.
  const of = (cost: number, batch: number): PlanPoint => {
    const ofCost = points.filter((point) => point.cost === cost).sort((a, b) => a.batch - b.batch)
    return ofCost.findLast((point) => point.batch <= batch) ?? ofCost[0]!
  }
  const rate = (batch: number) => geometricMean(costs.map((cost) => of(cost, batch).itemsPerSecond))
  return {
    ...layout,
    batches,
    rate,
    bestRate: Math.max(...batches.map(rate)),
    aloneMs: geometricMean(costs.map((cost) => of(cost, smallest).aloneMs))
  }
}

const layoutsOf = (points: ReadonlyArray<PlanPoint>): ReadonlyArray<Measured> => {
  const keys = new Map(points.map(({ instances, threads }) => [`${instances}x${threads}`, { instances, threads }]))
  return [...keys.values()].map((layout) =>
    measuredOf(
      layout,
      points.filter(({ instances, threads }) => instances === layout.instances && threads === layout.threads)
    )
  )
}

/** By one figure, and within its tolerance by the next; then fewest instances, whose copies take memory. */
const bestOf = (
  layouts: ReadonlyArray<Measured>,
  figures: ReadonlyArray<(layout: Measured) => number>
): Measured | undefined => {
  const left = figures.reduce((left, figure) => {
    const best = Math.max(...left.map(figure))
    return left.filter((layout) => figure(layout) >= best * (1 - tolerance))
  }, layouts)
  return [...left].sort((a, b) => a.instances - b.instances || a.threads - b.threads)[0]
}

const speedAlone = ({ aloneMs }: Measured): number => 1 / aloneMs
const speedUnderLoad = ({ bestRate }: Measured): number => bestRate

export const layoutText = ({ instances, threads }: Layout): string =>
  `${instances} instance${instances === 1 ? "" : "s"} of ${threads} thread${threads === 1 ? "" : "s"}`

const rounded = (value: number): string => value >= 100 ? value.toFixed(0) : value.toPrecision(3)

const describe = (chosen: Measured, others: ReadonlyArray<Measured>, batch: number, forLatency: boolean): string => {
  const figure = forLatency
    ? (layout: Measured) => `${rounded(layout.aloneMs)} ms for one alone`
    : (layout: Measured) => `${rounded(layout.bestRate)} items/s`
  const against = others.map((layout) => `${layoutText(layout)} ${figure(layout)}`).join(", ")
  const sizes = batch === chosen.batches.at(-1) && chosen.batches.length > 1
    ? `batches up to ${batch}, the largest that was measured, still gain`
    : `batches above ${batch} gain less than ${tolerance * 100} %`
  return `${layoutText(chosen)}: ${figure(chosen)}${against === "" ? "" : `, against ${against}`}; ${sizes}`
}

/**
 * The plan that the table speaks for. `throughput` takes the layout that computes most items a second, `latency` the one
 * whose lone row is fastest; `auto` takes throughput's, since a server that is not busy is fast with either. The batch
 * is the smallest that computes as much as any. Undefined where the table has no layout that fits what is fixed.
 */
export const choosePlan = (
  points: ReadonlyArray<PlanPoint>,
  optimizeFor: OptimizeFor,
  fixed: FixedPlan
): PlanChoice | undefined => {
  const fits = layoutsOf(points).filter(({ instances, threads }) =>
    (fixed.instances ?? instances) === instances && (fixed.threads ?? threads) === threads
  )
  const forLatency = optimizeFor === "latency"
  const chosen = bestOf(fits, forLatency ? [speedAlone, speedUnderLoad] : [speedUnderLoad, speedAlone])
  if (chosen === undefined) return undefined
  const enough = chosen.batches.find((batch) => chosen.rate(batch) >= chosen.bestRate * (1 - tolerance))!
  const maxBatchSize = fixed.maxBatchSize ?? enough
  const others = fits.filter((layout) => layout !== chosen)
  const reason = describe(chosen, others, enough, forLatency)
  return {
    instances: chosen.instances,
    threads: chosen.threads,
    maxBatchSize,
    reason: fixed.maxBatchSize === undefined ? reason : `${reason}; batches of ${fixed.maxBatchSize} as configured`
  }
}
