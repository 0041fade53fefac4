/**
 * A model that gains from batches: a stand-in for a GPU, 5 ms a run whatever is in it.
 */
import { computeBatch, fixedMs, fullBatch, rowMs, width } from "../../plugins/FixedCost.ts"
import { pause } from "../Bench.ts"
import { type Traffic, uncached } from "../generators/Traffic.ts"
import { rowBody } from "../Inputs.ts"
import { plugin, type VersionYaml } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import { ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { sweep } from "../Sweep.ts"
import { unbatched } from "./TextServers.ts"

/** Three full batches: one that runs, one that is ready, one that comes in. */
const callers = 3 * fullBatch
const rows = Array.from({ length: 64 }, (_, i) => Array.from({ length: width }, (_, k) => ((i * 7 + k) % 100) / 10))

export const fixedCostVersion: VersionYaml = {
  path: plugin("FixedCost"),
  plugin: "fixed-cost",
  batching: { max_batch_size: fullBatch }
}

export const fixedCostTraffic = ({ url }: Running): Traffic => ({
  url: `${url}/v2/models/wide/infer`,
  requests: rows.map((row) => ({ body: rowBody("x", row) })),
  headers: uncached
})

/** Rows a second in full batches, one after another. It blocks this thread, so the clock is given a turn before. */
const rawRows = async (seconds: number): Promise<number> => {
  await pause(0)
  const batch = Float32Array.from(Array.from({ length: fullBatch }, (_, i) => rows[i % rows.length]!).flat())
  const from = performance.now()
  let done = 0
  while (performance.now() - from < seconds * 1000) done += computeBatch(batch).length
  return (done / (performance.now() - from)) * 1000
}

export const fixedCost: Scenario = {
  name: "fixed-cost",
  about:
    `a run costs ${fixedMs} ms and ${rowMs} ms a row, ${callers} callers; against full batches in a loop, and no batching`,
  run: async (bench) => {
    const plugins = ["FixedCost"]
    const sluice = await bench.sluice({ models: { wide: fixedCostVersion }, plugins })
    const alone = await bench.sluice({ models: { wide: unbatched(fixedCostVersion) }, plugins })
    await bench.warmUp(callers, fixedCostTraffic(sluice), fixedCostTraffic(alone))
    const rounds = await bench.rounds({
      raw: () => rawRows(bench.options.seconds),
      sluice: () => bench.wrk(fixedCostTraffic(sluice), callers),
      "no batching": () => bench.wrk(fixedCostTraffic(alone), callers)
    })
    const rate = rounds.sluice.map(({ requestsPerSecond }) => requestsPerSecond)
    const aloneRate = rounds["no batching"].map(({ requestsPerSecond }) => requestsPerSecond)
    bench.measured("raw, full batches", "rows/s", rounds.raw)
    bench.measured("sluice", "rows/s", rate)
    bench.measured("sluice, p50", "ms", rounds.sluice.map(({ p50 }) => p50))
    bench.measured("sluice, p99", "ms", rounds.sluice.map(({ p99 }) => p99))
    bench.measured("no batching", "rows/s", aloneRate)
    bench.demand("share_of_raw", "", ratios(rate, rounds.raw))
    bench.demand("over_no_batching", "", ratios(rate, aloneRate))
    await sweep(bench, "A fixed cost of 5 ms a run", {
      sluice: fixedCostTraffic(sluice),
      "no batching": fixedCostTraffic(alone)
    })
  }
}
