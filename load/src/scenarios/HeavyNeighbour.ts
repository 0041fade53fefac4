/**
 * A tabular model at a constant rate, while one caller of another model sends requests of many texts: models must not
 * starve each other.
 */
import { pause } from "../Bench.ts"
import { ends, isAnswered, latency, sentBetween } from "../generators/VegetaResults.ts"
import { mixedLengths } from "../Inputs.ts"
import { breastCancer } from "../processes/Registry.ts"
import { ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { rowTraffic } from "./TabularTraffic.ts"
import { embeddingsHere, textTraffic } from "./TextServers.ts"

const perSecond = 500
const textsOfRequest = 32
const leadSeconds = 0.5

export const heavyNeighbour: Scenario = {
  name: "mixed",
  about:
    "500 tabular requests/s beside one caller with requests of 32 long and short texts; tabular p99 against its p99 alone",
  run: async (bench) => {
    const { seconds } = bench.options
    const embeddings = embeddingsHere()
    const sluice = await bench.sluice({ models: { embeddings, "breast-cancer": breastCancer() } })
    const rows = rowTraffic(sluice)
    const texts = mixedLengths(256).map(({ text }) => text)
    const heavy = {
      ...textTraffic(sluice, []),
      requests: Array.from({ length: texts.length / textsOfRequest }, (_, i) => ({
        body: JSON.stringify({
          model: "embeddings",
          texts: texts.slice(i * textsOfRequest, (i + 1) * textsOfRequest)
        })
      }))
    }
    await bench.warmUp(1, rows, heavy)
    const tabular = async () =>
      sentBetween(await bench.vegeta(rows, { perSecond, seconds: seconds + leadSeconds }), leadSeconds * 1000)
    const rounds = await bench.rounds({
      alone: tabular,
      beside: async () => {
        const neighbour = bench.wrk(heavy, 1, Math.ceil(seconds + 2 * leadSeconds))
        await pause(leadSeconds * 1000)
        const shots = await tabular()
        return { shots, texts: (await neighbour).requestsPerSecond * textsOfRequest }
      }
    })
    const alone = rounds.alone.map((shots) => latency(shots, 99))
    const beside = rounds.beside.map(({ shots }) => latency(shots, 99))
    bench.measured("tabular alone, p50", "ms", rounds.alone.map((shots) => latency(shots, 50)))
    bench.measured("tabular alone, p99", "ms", alone)
    bench.measured("tabular beside texts, p50", "ms", rounds.beside.map(({ shots }) => latency(shots, 50)))
    bench.measured("tabular beside texts, p99", "ms", beside)
    bench.measured("texts meanwhile", "texts/s", rounds.beside.map((each) => each.texts))
    bench.demand("p99_over_alone", "", ratios(beside, alone))
    const all = rounds.beside.flatMap(({ shots }) => shots)
    if (!all.every(isAnswered)) bench.note(ends(all))
    bench.note(`the text model is ${String(embeddings["precision"])}`)
  }
}
