/**
 * What it costs and brings to wait for company: a window of 0 against one of 5 ms, with few callers and with many.
 */
import { fullBatch } from "../../plugins/FixedCost.ts"
import { reviews } from "../Inputs.ts"
import { int8Embeddings } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import type { Scenario } from "../Scenario.ts"
import { fixedCostTraffic, fixedCostVersion } from "./FixedCost.ts"
import { textTraffic } from "./TextServers.ts"

const windows = ["0 millis", "5 millis"]
const fewCallers = 1
const someCallers = 8
const manyCallers = 3 * fullBatch
const texts = reviews(256)

const traffics = (running: Running) => ({
  "fixed cost": fixedCostTraffic(running),
  "embeddings, int8": textTraffic(running, texts)
})

export const batchWindow: Scenario = {
  name: "window",
  about:
    "a window of 0 against 5 ms, with 1, 8 and 96 callers, on a model that gains from batches and one that does not; no demand",
  run: async (bench) => {
    const servers = []
    for (const window of windows) {
      const running = await bench.sluice({
        plugins: ["FixedCost"],
        models: {
          wide: { ...fixedCostVersion, batching: { max_batch_size: fullBatch, window } },
          embeddings: { ...int8Embeddings(), batching: { window } }
        }
      })
      servers.push({ window, running })
      await bench.warmUp(manyCallers, ...Object.values(traffics(running)))
    }
    const steps = servers.flatMap(({ running, window }) =>
      Object.entries(traffics(running)).flatMap(([model, traffic]) =>
        [fewCallers, someCallers, manyCallers].map((callers) =>
          [`${model}, ${callers} callers, window ${window}`, () => bench.wrk(traffic, callers)] as const
        )
      )
    )
    const rounds = await bench.rounds(Object.fromEntries(steps))
    for (const what of Object.keys(rounds).toSorted()) {
      bench.measured(what, "requests/s", rounds[what]!.map(({ requestsPerSecond }) => requestsPerSecond))
      bench.measured(`${what}, p50`, "ms", rounds[what]!.map(({ p50 }) => p50))
      bench.measured(`${what}, p99`, "ms", rounds[what]!.map(({ p99 }) => p99))
    }
  }
}
