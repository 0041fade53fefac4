/**
 * Metrics of prom-client that show what is counted elsewhere, read when a page is rendered.
 */
import { type Aggregator, Counter, Gauge, Histogram, type Registry } from "prom-client"
import type { Distribution } from "./Distribution.ts"

export type Labels = Readonly<Record<string, string>>
export type Sample = readonly [labels: Labels, value: number]
export type Series = readonly [labels: Labels, distribution: Distribution]

export interface Description {
  readonly name: string
  readonly help: string
  readonly labels: ReadonlyArray<string>
}

/** A histogram that shows distributions counted elsewhere. */
export class CountedHistogram extends Histogram {
  readonly #description: Description
  readonly #series: () => ReadonlyArray<Series>

  constructor(registry: Registry, description: Description, series: () => ReadonlyArray<Series>) {
    super({ name: description.name, help: description.help, labelNames: description.labels, registers: [registry] })
    this.#description = description
    this.#series = series
  }

  /** What prom-client 15 renders a histogram's text by, and what its own `get` is made of. */
  getForPromString() {
    const { help, name } = this.#description
    const values = this.#series().flatMap(([sharedLabels, { bounds, count, counts, sum }]) => {
      let cumulative = 0
      const buckets = bounds.map((bound, index) => {
        cumulative += counts[index] ?? 0
        return { metricName: `${name}_bucket`, labels: { le: String(bound) }, sharedLabels, value: cumulative }
      })
      return [
        ...buckets,
        { metricName: `${name}_bucket`, labels: { le: "+Inf" }, sharedLabels, value: count },
        { metricName: `${name}_sum`, labels: {}, sharedLabels, value: sum },
        { metricName: `${name}_count`, labels: {}, sharedLabels, value: count }
      ]
    })
    return Promise.resolve({ name, help, type: "histogram", aggregator: "sum", values })
  }
}

export const addCounter = (
  registry: Registry,
  { help, labels, name }: Description,
  samples: () => ReadonlyArray<Sample>
) =>
  new Counter({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect() {
      this.reset()
      for (const [sampleLabels, value] of samples()) this.inc(sampleLabels, value)
    }
  })

/** `aggregator` makes one value of those that several processes have. */
export const addGauge = (
  registry: Registry,
  { help, labels, name }: Description,
  aggregator: Aggregator,
  samples: () => ReadonlyArray<Sample>
) =>
  new Gauge({
    name,
    help,
    labelNames: labels,
    aggregator,
    registers: [registry],
    collect() {
      this.reset()
      for (const [sampleLabels, value] of samples()) this.set(sampleLabels, value)
    }
  })
