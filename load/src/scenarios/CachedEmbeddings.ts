/**
 * Embeddings that are asked for again, beside the same that are computed each time; and how many items are computed of
 * what many ask for at the same time, in one process and in two over one Redis.
 */
import type { Bench } from "../Bench.ts"
import type { Traffic } from "../generators/Traffic.ts"
import { reviews, textBody } from "../Inputs.ts"
import type { Running } from "../processes/Server.ts"
import { metricValues, readMetrics } from "../processes/ServerMetrics.ts"
import { ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { embeddingsHere, predictPath, textTraffic } from "./TextServers.ts"

const callers = 8
/** Of one new text at the same time. */
const crowd = 100
const json = { "content-type": "application/json" }

const cachedTraffic = ({ url }: Running, texts: ReadonlyArray<string>): Traffic => ({
  url: `${url}${predictPath}`,
  requests: texts.map((text) => ({ body: textBody(text) })),
  headers: json
})

const post = async ({ url }: Running, texts: ReadonlyArray<string>): Promise<void> => {
  const response = await fetch(`${url}${predictPath}`, {
    method: "POST",
    headers: json,
    body: JSON.stringify({ texts })
  })
  await response.text()
  if (response.status !== 200) throw new Error(`a prediction was answered with ${response.status}`)
}

/** Items that these servers have computed. */
const computedBy = async (servers: ReadonlyArray<Running>): Promise<number> => {
  const pages = await Promise.all(servers.map(({ url }) => readMetrics(url)))
  return pages
    .flatMap((page) => [...metricValues(page, "sluice_batch_size_sum").values()])
    .reduce((sum, value) => sum + value, 0)
}

/** How many items are computed while this is asked. */
const computedFor = async (servers: ReadonlyArray<Running>, ask: () => Promise<unknown>): Promise<number> => {
  const before = await computedBy(servers)
  await ask()
  return await computedBy(servers) - before
}

let lastText = 0
const newText = (): string => `A text that nobody has asked for before, number ${++lastText} of ${process.pid}.`

/** All of the crowd ask for one new text, each one of these servers in turn. */
const crowdOf = (servers: ReadonlyArray<Running>): Promise<number> =>
  computedFor(servers, () => {
    const text = newText()
    return Promise.all(Array.from({ length: crowd }, (_, caller) => post(servers[caller % servers.length]!, [text])))
  })

/** One of 32 texts is new. */
const oneOfMany = async (server: Running): Promise<number> => {
  const known = Array.from({ length: 31 }, newText)
  await post(server, known)
  return computedFor([server], () => post(server, [...known.slice(0, 15), newText(), ...known.slice(15)]))
}

export const cachedEmbeddings: Scenario = {
  name: "cache",
  about:
    "embeddings asked for again against computed each time, 8 callers; one new text for 100 callers, in 1 and 2 processes",
  run: async (bench: Bench) => {
    const texts = reviews(256)
    const models = { embeddings: embeddingsHere() }
    const redis = await bench.redis()
    const alone = await bench.sluice({ models })
    const shared = await Promise.all([1, 2].map(() => bench.sluice({ models, env: { REDIS_URL: redis.url } })))
    const computed = textTraffic(alone, texts)
    const cached = cachedTraffic(alone, texts)
    const tiered = cachedTraffic(shared[0]!, texts)
    await bench.warmUp(callers, computed, cached, tiered)
    const rounds = await bench.rounds({
      computed: () => bench.wrk(computed, callers),
      cached: () => bench.wrk(cached, callers),
      "cached, with Redis": () => bench.wrk(tiered, callers),
      "computed of 100 callers": () => crowdOf([alone]),
      "computed of 100 callers, 2 processes": () => crowdOf(shared),
      "computed of 32, 31 known": () => oneOfMany(alone)
    })
    const of = (runs: ReadonlyArray<{ readonly requestsPerSecond: number }>) => runs.map((run) => run.requestsPerSecond)
    for (const what of ["computed", "cached", "cached, with Redis"] as const) {
      bench.measured(what, "requests/s", of(rounds[what]))
      bench.measured(`${what}, p50`, "ms", rounds[what].map(({ p50 }) => p50))
      bench.measured(`${what}, p99`, "ms", rounds[what].map(({ p99 }) => p99))
      bench.measured(`${what}, failures`, "requests", rounds[what].map(({ failures }) => failures))
    }
    bench.demand("cached_over_computed", "", ratios(of(rounds.cached), of(rounds.computed)))
    bench.demand("hit_p50_ms", "ms", rounds.cached.map(({ p50 }) => p50))
    bench.demand("computed_of_crowd", "items", rounds["computed of 100 callers"])
    bench.demand("computed_of_crowd_in_two", "items", rounds["computed of 100 callers, 2 processes"])
    bench.demand("computed_of_32", "items", rounds["computed of 32, 31 known"])
  }
}
