/**
 * A text of a model that is in memory, against one whose model must be loaded first: what the model cache saves.
 */
import { pause } from "../Bench.ts"
import type { Running } from "../processes/Server.ts"
import { median, ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { embeddingsHere, predictPath } from "./TextServers.ts"

const warmRequests = 100
const furtherInstancesMs = 3000

const askMs = async ({ url }: Running, model: string): Promise<number> => {
  const startedMs = performance.now()
  const response = await fetch(`${url}${predictPath}`, {
    method: "POST",
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: JSON.stringify({ model, texts: ["The battery life is great"] })
  })
  await response.arrayBuffer()
  if (!response.ok) throw new Error(`${model} answered ${response.status}`)
  return performance.now() - startedMs
}

export const coldModel: Scenario = {
  name: "cold-model",
  about:
    "MODEL_CACHE_SIZE=1, two models in turn: a text whose model is in memory against one whose model is loaded first",
  run: async (bench) => {
    const models = { first: embeddingsHere(), second: embeddingsHere() }
    const sluice = await bench.sluice({ models, env: { MODEL_CACHE_SIZE: "1" } })
    const names = Object.keys(models)
    let turn = 1
    const { cold } = await bench.rounds({
      cold: async () => {
        const model = names[turn++ % names.length]!
        const loadedMs = await askMs(sluice, model)
        // Its further instances load while the first one answers already.
        await pause(furtherInstancesMs)
        const warm: Array<number> = []
        for (let i = 0; i < warmRequests; i++) warm.push(await askMs(sluice, model))
        return { loadedMs, warmMs: median(warm) }
      }
    })
    bench.measured("its model is loaded first", "ms", cold.map(({ loadedMs }) => loadedMs))
    bench.measured("its model is in memory", "ms", cold.map(({ warmMs }) => warmMs))
    bench.demand("times_sooner", "", ratios(cold.map(({ loadedMs }) => loadedMs), cold.map(({ warmMs }) => warmMs)))
  }
}
