/**
 * The tiny model at a constant rate far below capacity: what a caller waits when nothing is wrong.
 */
import type { Bench } from "../Bench.ts"
import { ends, isAnswered, latency, sentBetween, type Shot } from "../generators/VegetaResults.ts"
import { breastCancer } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import { ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { rowTraffic } from "./TabularTraffic.ts"

/** While the generator opens its connections. */
const leadMs = 500
/** How many times the echo's p99 is granted; what is beyond is the demand. */
const echoFactor = 1.3

const steady = async (bench: Bench, running: Running, perSecond: number): Promise<ReadonlyArray<Shot>> =>
  sentBetween(
    await bench.vegeta(rowTraffic(running), { perSecond, seconds: bench.options.seconds + leadMs / 1000 }),
    leadMs
  )

const p = (rounds: ReadonlyArray<ReadonlyArray<Shot>>, percent: number): ReadonlyArray<number> =>
  rounds.map((shots) => latency(shots, percent))

export const tabularRates: Scenario = {
  name: "tabular-rates",
  about: "breast-cancer at 500 and 1000 requests/s, open loop; p99 against the echo's",
  run: async (bench) => {
    const echo = await bench.echo()
    const sluice = await bench.sluice({ models: { "breast-cancer": breastCancer() } })
    await bench.warmUp(16, rowTraffic(echo), rowTraffic(sluice))
    for (const perSecond of [500, 1000]) {
      const rounds = await bench.rounds({
        echo: () => steady(bench, echo, perSecond),
        sluice: () => steady(bench, sluice, perSecond)
      })
      const echoP99 = p(rounds.echo, 99)
      const p99 = p(rounds.sluice, 99)
      bench.measured(`echo at ${perSecond}/s, p99`, "ms", echoP99)
      bench.measured(`sluice at ${perSecond}/s, p50`, "ms", p(rounds.sluice, 50))
      bench.measured(`sluice at ${perSecond}/s, p99`, "ms", p99)
      bench.demand(
        `p99_beyond_echo_ms_at_${perSecond}`,
        "ms",
        p99.map((ms, round) => ms - echoFactor * echoP99[round]!)
      )
      const all = rounds.sluice.flat()
      if (!all.every(isAnswered)) bench.note(`at ${perSecond}/s: ${ends(all)}`)
    }
  }
}

export const tabularHalf: Scenario = {
  name: "tabular-half",
  about: "breast-cancer, open loop at half of the capacity that was just measured; p99 against p50",
  run: async (bench) => {
    const sluice = await bench.sluice({ models: { "breast-cancer": breastCancer() } })
    await bench.warmUp(64, rowTraffic(sluice))
    const { half } = await bench.rounds({
      half: async () => {
        const { requestsPerSecond } = await bench.wrk(rowTraffic(sluice), 64)
        const perSecond = Math.round(requestsPerSecond / 2)
        return { capacity: requestsPerSecond, shots: await steady(bench, sluice, perSecond) }
      }
    })
    const shots = half.map((each) => each.shots)
    bench.measured("capacity, 64 callers", "requests/s", half.map(({ capacity }) => capacity))
    bench.measured("p50 at half of it", "ms", p(shots, 50))
    bench.measured("p99 at half of it", "ms", p(shots, 99))
    bench.demand("p99_over_p50", "", ratios(p(shots, 99), p(shots, 50)))
    const all = shots.flat()
    if (!all.every(isAnswered)) bench.note(ends(all))
    bench.note("the generator takes its share of the same cores, and latencies count from when a request was due")
  }
}
