/**
 * One limit that three servers share over Redis, asked for six times as much as it lets through; one of the servers has a
 * clock that is wrong. And what a limit costs a call.
 */
import { fileURLToPath } from "node:url"
import type { Bench } from "../Bench.ts"
import { ends, isAnswered, latency, type Shot } from "../generators/VegetaResults.ts"
import { breastCancer } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import type { Scenario } from "../Scenario.ts"
import { rowTraffic } from "./TabularTraffic.ts"

const amount = 100
const seconds = 10
/** Of each of the three servers. */
const perSecond = 200
const shiftMs = 5_000
/** Enough for what a limit costs, and well below what a server can do. */
const costRate = 300

const shiftedClock = fileURLToPath(new URL("../processes/ShiftedClock.ts", import.meta.url))

/**
 * The most calls that were certainly let in within one second: those that were sent and answered in it. When a call was let
 * in is known to Redis alone, but it lies between the two.
 */
const mostInASecond = (allowed: ReadonlyArray<Shot>): number =>
  Math.max(
    ...allowed.map(({ sentMs: from }) =>
      allowed.filter(({ latencyMs, sentMs }) => sentMs >= from && sentMs + latencyMs < from + 1000).length
    )
  )

const isPolite = ({ retryAfter, status }: Shot): boolean => status === 429 && retryAfter !== undefined

/** `RATE_LIMIT_REQUESTS` where one is given. */
const server = (bench: Bench, redis: Running, limit: string | undefined, env: Readonly<Record<string, string>> = {}) =>
  bench.sluice({
    models: { "breast-cancer": breastCancer() },
    env: { REDIS_URL: redis.url, ...(limit === undefined ? {} : { RATE_LIMIT_REQUESTS: limit }), ...env }
  })

const shared = async (bench: Bench) => {
  const redis = await bench.redis()
  const clock = { NODE_OPTIONS: `--import=${shiftedClock}`, SHIFT_CLOCK_MS: String(shiftMs) }
  const servers = [
    await server(bench, redis, `${amount}/s`),
    await server(bench, redis, `${amount}/s`),
    await server(bench, redis, `${amount}/s`, clock)
  ]
  const byServer = await Promise.all(
    servers.map((each) => bench.vegeta(rowTraffic(each), { perSecond, seconds }))
  )
  for (const each of [...servers, redis]) await each.stop()
  return byServer
}

const cost = async (bench: Bench) => {
  const redis = await bench.redis()
  const limited = await server(bench, redis, "1000000/s")
  const free = await server(bench, redis, undefined)
  const p50 = async (of: Running) => {
    await bench.vegeta(rowTraffic(of), { perSecond: costRate, seconds: 1 })
    return latency(await bench.vegeta(rowTraffic(of), { perSecond: costRate, seconds: bench.options.seconds }), 50)
  }
  const withLimit = await p50(limited)
  const without = await p50(free)
  for (const each of [limited, free, redis]) await each.stop()
  return { withLimit, without }
}

export const rateLimits: Scenario = {
  name: "rate-limits",
  about: `${amount} requests/s shared by three servers, asked for ${
    3 * perSecond
  }/s for ${seconds} s; what a limit costs`,
  run: async (bench) => {
    const rounds = await bench.rounds({ shared: () => shared(bench), cost: () => cost(bench) })
    const all = rounds.shared.map((byServer) => byServer.flat())
    const allowed = all.map((shots) => shots.filter(isAnswered))
    const expected = amount * seconds
    bench.measured("allowed", "requests", allowed.map(({ length }) => length))
    bench.measured(
      "least and most allowed by one server",
      "requests",
      rounds.shared.flatMap((byServer) => byServer.map((shots) => shots.filter(isAnswered).length))
    )
    bench.demand("allowed_off_share", "", allowed.map(({ length }) => Math.abs(length - expected) / expected))
    bench.demand("most_in_a_second", "requests", allowed.map(mostInASecond))
    bench.demand(
      "polite_refusals",
      "",
      all.map((shots) => {
        const refused = shots.filter((shot) => !isAnswered(shot))
        return refused.filter(isPolite).length / refused.length
      })
    )
    bench.measured("p50 of a limited call", "ms", rounds.cost.map(({ withLimit }) => withLimit))
    bench.measured("p50 of an unlimited one", "ms", rounds.cost.map(({ without }) => without))
    bench.demand("p50_beyond_unlimited_ms", "ms", rounds.cost.map(({ withLimit, without }) => withLimit - without))
    bench.note(ends(all.flat()))
  }
}
