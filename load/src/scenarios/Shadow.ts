/**
 * What a shadow costs those who are answered by the default: nothing that they notice.
 */
import { latency, type Shot } from "../generators/VegetaResults.ts"
import { breastCancer } from "../processes/Registry.ts"
import { ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { rowTraffic } from "./TabularTraffic.ts"

const perSecond = 200

const registryWith = (percentage: number): string => {
  const versions = { v1: breastCancer(), v2: { ...breastCancer(), status: "candidate", description: "the shadow" } }
  const rollout = { type: "shadow", shadow_percentage: percentage, target_version: "v2" }
  return JSON.stringify({
    models: {
      "breast-cancer": {
        default_version: "v1",
        versions,
        ...(percentage === 0 ? {} : { rollout_strategy: rollout })
      }
    }
  })
}

export const shadow: Scenario = {
  name: "shadow",
  about: "200 requests/s with every one copied to a shadow, and with none; the default's p50",
  run: async (bench) => {
    const alone = await bench.sluice({ registry: registryWith(0) })
    const shadowed = await bench.sluice({ registry: registryWith(100) })
    await bench.warmUp(8, rowTraffic(alone), rowTraffic(shadowed))
    const { seconds } = bench.options
    const rounds = await bench.rounds({
      alone: () => bench.vegeta(rowTraffic(alone), { perSecond, seconds }),
      shadowed: () => bench.vegeta(rowTraffic(shadowed), { perSecond, seconds })
    })
    const p50 = (shots: ReadonlyArray<ReadonlyArray<Shot>>) => shots.map((each) => latency(each, 50))
    bench.measured("p50 without a shadow", "ms", p50(rounds.alone))
    bench.measured("p50 with one", "ms", p50(rounds.shadowed))
    bench.demand("p50_over_alone", "", ratios(p50(rounds.shadowed), p50(rounds.alone)))
    const response = await fetch(`${shadowed.url}/api/v1/models/breast-cancer/rollout`)
    const status: { readonly comparison?: { readonly items: number; readonly dropped: number } } = JSON.parse(
      await response.text()
    )
    bench.note(`copies that were compared: ${status.comparison?.items}, dropped: ${status.comparison?.dropped}`)
  }
}
