/**
 * A page of metrics as data, which processes can hand to each other and add up. Pure.
 */
import type { Aggregator } from "prom-client"

export interface MetricSample {
  /** Where it is not the family's, as `…_bucket` of a histogram. */
  readonly metricName?: string
  readonly labels: Readonly<Partial<Record<string, string | number>>>
  readonly value: number
}

export interface MetricFamily {
  readonly name: string
  readonly help: string
  /** `counter`, `gauge` or `histogram`. */
  readonly type: string
  /** How the values of several processes become one. */
  readonly aggregator: Aggregator
  readonly values: ReadonlyArray<MetricSample>
}

export type MetricsSnapshot = ReadonlyArray<MetricFamily>

/** What still holds when the process has ended: what it counted, and not the state that it was in. */
export const countsOf = (snapshot: MetricsSnapshot): MetricsSnapshot =>
  snapshot.filter(({ type }) => type === "counter" || type === "histogram")

const seriesOf = ({ labels, metricName }: MetricSample): string =>
  JSON.stringify([metricName, ...Object.entries(labels).toSorted(([one], [other]) => one < other ? -1 : 1)])

const addValues = (
  one: ReadonlyArray<MetricSample>,
  other: ReadonlyArray<MetricSample>
): ReadonlyArray<MetricSample> => {
  const series = new Map(one.map((sample) => [seriesOf(sample), sample]))
  for (const sample of other) {
    const key = seriesOf(sample)
    series.set(key, { ...sample, value: sample.value + (series.get(key)?.value ?? 0) })
  }
  return [...series.values()]
}

/** The sum of what two processes counted. */
export const addCounts = (one: MetricsSnapshot, other: MetricsSnapshot): MetricsSnapshot => {
  const families = new Map(one.map((family) => [family.name, family]))
  for (const family of other) {
    families.set(family.name, { ...family, values: addValues(families.get(family.name)?.values ?? [], family.values) })
  }
  return [...families.values()]
}
