/**
 * A hundred changes of the registry under steady traffic: versions loaded anew, added and removed, the default moved. Callers
 * must not notice.
 */
import { type Bench, pause } from "../Bench.ts"
import { ends, isAnswered, latency, type Shot } from "../generators/VegetaResults.ts"
import { breastCancer } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import { ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { rowTraffic } from "./TabularTraffic.ts"

const reloads = 100
/** Memory is compared from here on: the first changes load code that was never used before. */
const settledAfter = 20
const perSecond = 200
const everyMs = 200

/** The registry after so many changes: each has one version anew, adds or removes one, or moves the default. */
const registryAfter = (change: number): string => {
  const first = { ...breastCancer(), timeout_ms: 10_000 + Math.floor(change / 4) }
  const second = { ...breastCancer(), description: "another one" }
  const versions = change % 4 === 0 ? { v1: first } : { v1: first, v2: second }
  return JSON.stringify({
    models: { "breast-cancer": { default_version: change % 4 === 2 ? "v2" : "v1", versions } }
  })
}

const put = async ({ url }: Running, text: string): Promise<void> => {
  const response = await fetch(`${url}/api/v1/registry`, {
    method: "PUT",
    headers: { "content-type": "application/yaml" },
    body: text
  })
  if (!response.ok) throw new Error(`a registry was refused: ${await response.text()}`)
  await response.arrayBuffer()
}

interface Round {
  readonly before: ReadonlyArray<Shot>
  readonly during: ReadonlyArray<Shot>
  readonly memoryGrowth: number
}

const oneRound = async (bench: Bench): Promise<Round> => {
  const sluice = await bench.sluice({ registry: registryAfter(0) })
  const traffic = rowTraffic(sluice)
  await bench.warmUp(8, traffic)
  const before = await bench.vegeta(traffic, { perSecond, seconds: bench.options.seconds })
  const seconds = Math.ceil((reloads * everyMs) / 1000) + 1
  const memory: Array<number> = []
  const change = async (): Promise<void> => {
    for (let i = 1; i <= reloads; i++) {
      await Promise.all([put(sluice, registryAfter(i)), pause(everyMs)])
      memory.push(sluice.residentMiB())
    }
  }
  const [during] = await Promise.all([bench.vegeta(traffic, { perSecond, seconds }), change()])
  await sluice.stop()
  return { before, during, memoryGrowth: memory.at(-1)! / memory[settledAfter]! }
}

export const reload: Scenario = {
  name: "reload",
  about: "100 changes of the registry under 200 requests/s; failed requests, p99, memory",
  run: async (bench) => {
    const { round } = await bench.rounds({ round: () => oneRound(bench) })
    const p99 = (shots: ReadonlyArray<ReadonlyArray<Shot>>) => shots.map((each) => latency(each, 99))
    const before = p99(round.map((each) => each.before))
    const during = p99(round.map((each) => each.during))
    bench.measured("p99 before", "ms", before)
    bench.measured("p99 during the changes", "ms", during)
    bench.demand(
      "failed_requests",
      "requests",
      round.map((each) => each.during.filter((shot) => !isAnswered(shot)).length)
    )
    bench.demand("p99_during_over_before", "", ratios(during, before))
    bench.demand("memory_growth", "", round.map(({ memoryGrowth }) => memoryGrowth))
    bench.note(ends(round.flatMap((each) => each.during)))
  }
}
