/**
 * Embeddings of short texts under 32 callers, beside raw at its best plan, our server without batching, and the twin.
 */
import type { Bench } from "../Bench.ts"
import { reviews } from "../Inputs.ts"
import { fp32Embeddings, int8Embeddings, type VersionYaml } from "../processes/Registry.ts"
import { eventLoopDelayMs } from "../processes/ServerMetrics.ts"
import { tokenized } from "../references/RawLoop.ts"
import { findTwin, twinMissing } from "../references/Twin.ts"
import { ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { sweep } from "../Sweep.ts"
import { textTraffic, unbatched } from "./TextServers.ts"

const callers = 32
const texts = reviews(256)

const run = (versionOf: () => VersionYaml) => async (bench: Bench): Promise<void> => {
  const version = versionOf()
  const { say } = bench
  const { seconds } = bench.options
  const twinProgram = await findTwin({ embeddings: version.path }, bench.options.twin, say)
  const raw = await bench.bestRaw(version.path, tokenized(version.path, texts))
  const sluice = await bench.sluice({ models: { embeddings: version } })
  const alone = await bench.sluice({ models: { embeddings: unbatched(version) } })
  const twin = twinProgram === undefined ? undefined : await bench.program(twinProgram)
  const traffic = textTraffic(sluice, texts)
  const aloneTraffic = textTraffic(alone, texts)
  const twinTraffic = twin === undefined ? [] : [textTraffic(twin, texts)]
  await bench.warmUp(callers, traffic, aloneTraffic, ...twinTraffic)

  const rounds = await bench.rounds({
    raw: () => raw.run(seconds),
    sluice: async () => {
      await eventLoopDelayMs(sluice.url)
      const result = await bench.wrk(traffic, callers)
      return { ...result, loopMs: await eventLoopDelayMs(sluice.url) }
    },
    "no batching": () => bench.wrk(aloneTraffic, callers),
    twin: async () => Promise.all(twinTraffic.map((each) => bench.wrk(each, callers)))
  })
  const rawRate = rounds.raw.map(({ itemsPerSecond }) => itemsPerSecond)
  const rate = rounds.sluice.map(({ requestsPerSecond }) => requestsPerSecond)
  const loopMs = rounds.sluice.map((each) => each.loopMs)
  const twinRate = rounds.twin.flat().map(({ requestsPerSecond }) => requestsPerSecond)
  bench.measured("raw", "texts/s", rawRate)
  bench.measured("sluice", "texts/s", rate)
  bench.measured("sluice, p50", "ms", rounds.sluice.map(({ p50 }) => p50))
  bench.measured("sluice, p99", "ms", rounds.sluice.map(({ p99 }) => p99))
  bench.measured("sluice, failures", "requests", rounds.sluice.map(({ failures }) => failures))
  bench.measured("no batching", "texts/s", rounds["no batching"].map(({ requestsPerSecond }) => requestsPerSecond))
  if (twinRate.length > 0) bench.measured("twin", "texts/s", twinRate)
  else bench.note(twinMissing)
  bench.demand("share_of_raw", "", ratios(rate, rawRate))
  bench.demand("event_loop_delay_ms", "ms", loopMs)
  await sweep(bench, "Embeddings", { sluice: traffic, "no batching": aloneTraffic })
}

export const embeddingsFp32: Scenario = {
  name: "embeddings-fp32",
  about: "fp32 MiniLM, one short text a request, 32 callers; against raw at its best plan",
  run: run(fp32Embeddings)
}

export const embeddingsInt8: Scenario = {
  name: "embeddings-int8",
  about: "int8 MiniLM, one short text a request, 32 callers; against raw at its best plan",
  run: run(int8Embeddings)
}
