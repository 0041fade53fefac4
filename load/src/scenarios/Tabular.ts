/**
 * A tiny model, one row a request, 64 callers: the price of everything around the model, beside a bare HTTP echo.
 */
import { breastCancer } from "../processes/Registry.ts"
import { eventLoopDelayMs } from "../processes/ServerMetrics.ts"
import { findTwin, twinMissing } from "../references/Twin.ts"
import { ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { sweep } from "../Sweep.ts"
import { rowTraffic } from "./TabularTraffic.ts"
import { unbatched } from "./TextServers.ts"

const callers = 64

export const tabular: Scenario = {
  name: "tabular",
  about: "breast-cancer, OIP JSON, one row a request, 64 callers; requests/s against the node:http echo's",
  run: async (bench) => {
    const version = breastCancer()
    const twinProgram = await findTwin({ breastCancer: version.path }, bench.options.twin, bench.say)
    const echo = await bench.echo()
    const sluice = await bench.sluice({ models: { "breast-cancer": version } })
    const alone = await bench.sluice({ models: { "breast-cancer": unbatched(version) } })
    const twin = twinProgram === undefined ? [] : [rowTraffic(await bench.program(twinProgram))]
    await bench.warmUp(callers, rowTraffic(echo), rowTraffic(sluice), rowTraffic(alone), ...twin)
    const rounds = await bench.rounds({
      echo: () => bench.wrk(rowTraffic(echo), callers),
      sluice: async () => {
        await eventLoopDelayMs(sluice.url)
        const result = await bench.wrk(rowTraffic(sluice), callers)
        return { ...result, loopMs: await eventLoopDelayMs(sluice.url) }
      },
      "no batching": () => bench.wrk(rowTraffic(alone), callers),
      twin: async () => Promise.all(twin.map((each) => bench.wrk(each, callers)))
    })
    const echoRate = rounds.echo.map(({ requestsPerSecond }) => requestsPerSecond)
    const rate = rounds.sluice.map(({ requestsPerSecond }) => requestsPerSecond)
    const twinRate = rounds.twin.flat().map(({ requestsPerSecond }) => requestsPerSecond)
    bench.measured("echo", "requests/s", echoRate)
    bench.measured("echo, p99", "ms", rounds.echo.map(({ p99 }) => p99))
    bench.measured("sluice", "requests/s", rate)
    bench.measured("sluice, p50", "ms", rounds.sluice.map(({ p50 }) => p50))
    bench.measured("sluice, p99", "ms", rounds.sluice.map(({ p99 }) => p99))
    bench.measured("sluice, failures", "requests", rounds.sluice.map(({ failures }) => failures))
    bench.measured("no batching", "requests/s", rounds["no batching"].map(({ requestsPerSecond }) => requestsPerSecond))
    if (twinRate.length > 0) bench.measured("twin", "requests/s", twinRate)
    else bench.note(twinMissing)
    bench.demand("share_of_echo", "", ratios(rate, echoRate))
    bench.demand("event_loop_delay_ms", "ms", rounds.sluice.map(({ loopMs }) => loopMs))
    await sweep(bench, "breast-cancer, one row a request", {
      echo: rowTraffic(echo),
      sluice: rowTraffic(sluice),
      "no batching": rowTraffic(alone)
    })
  }
}
