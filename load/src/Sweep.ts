/**
 * Throughput against latency over concurrencies: one closed loop for each number of callers.
 */
import { type Bench, pause } from "./Bench.ts"
import type { Traffic } from "./generators/Traffic.ts"
import type { WrkResult } from "./generators/Wrk.ts"

const concurrencies = [1, 2, 4, 8, 16, 32, 64, 128]

/** Adds a plot with two lines for each subject, where plots are asked for. */
export const sweep = async (
  bench: Bench,
  title: string,
  subjects: Readonly<Record<string, Traffic>>
): Promise<void> => {
  if (bench.options.plots === undefined) return
  const lines = []
  for (const [name, traffic] of Object.entries(subjects)) {
    const runs: Array<WrkResult> = []
    for (const callers of concurrencies) {
      bench.say(`plot: ${name}, ${callers} callers`)
      await pause(300)
      runs.push(await bench.wrk(traffic, callers))
    }
    const points = (percentile: "p50" | "p99") => runs.map((run) => [run.requestsPerSecond, run[percentile]] as const)
    lines.push(
      { name: `${name}, p50`, subject: name, points: points("p50") },
      { name: `${name}, p99`, subject: name, dashed: true, points: points("p99") }
    )
  }
  bench.plot({
    name: "throughput-latency",
    title: `${title}, ${concurrencies[0]} to ${concurrencies.at(-1)} callers`,
    x: "requests a second",
    y: "milliseconds",
    logarithmicY: true,
    series: lines
  })
}
