/**
 * One limit that three servers share over Redis, asked for six times as much as it lets through; one of the servers has a
 * clock that is wrong. And what a limit costs a call.
 */
import { fileURLToPath } from "node:url"
import type { Bench } from "../Bench.ts"
import { ends, isAnswered, type Shot } from "../generators/VegetaResults.ts"
import { breastCancer } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import { metricValues, readMetrics } from "../processes/ServerMetrics.ts"
import type { Scenario } from "../Scenario.ts"
import { rowTraffic } from "./TabularTraffic.ts"

const amount = 100
const seconds = 10
/** Of each of the three servers. */
const perSecond = 200
const shiftMs = 5_000
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

/** From the first sending to the last end. */
const secondsOf = (shots: ReadonlyArray<Shot>): number =>
  (Math.max(...shots.map(({ latencyMs, sentMs }) => sentMs + latencyMs)) -
    Math.min(...shots.map(({ sentMs }) => sentMs))) /
  1000

const isPolite = ({ retryAfter, status }: Shot): boolean => status === 429 && retryAfter !== undefined

/** `RATE_LIMIT_REQUESTS` where one is given. */
const server = (bench: Bench, redis: Running, limit: string | undefined, env: Readonly<Record<string, string>> = {}) =>
  bench.sluice({
    models: { "breast-cancer": breastCancer() },
    env: { REDIS_URL: redis.url, ...(limit === undefined ? {} : { RATE_LIMIT_REQUESTS: limit }), ...env }
  })

/** The generators share the cores with servers and Redis: what is measured is the limit, not how long the machine pauses. */
const patient = { RATE_LIMIT_TIME_BUDGET: "1 second" }

/** Calls that a server decided without Redis. */
const fallbacksOf = async ({ url }: Running): Promise<number> =>
  [...metricValues(await readMetrics(url), "sluice_rate_limit_fallbacks_total").values()]
    .reduce((sum, count) => sum + count, 0)

const shared = async (bench: Bench) => {
  const redis = await bench.redis()
  const clock = { NODE_OPTIONS: `--import=${shiftedClock}`, SHIFT_CLOCK_MS: String(shiftMs) }
  const servers = [
    await server(bench, redis, `${amount}/s`, patient),
    await server(bench, redis, `${amount}/s`, patient),
    await server(bench, redis, `${amount}/s`, { ...patient, ...clock })
  ]
  const byServer = await Promise.all(
    servers.map((each) => bench.vegeta(rowTraffic(each), { perSecond, seconds }))
  )
  const fallbacks = await Promise.all(servers.map(fallbacksOf))
  for (const each of [...servers, redis]) await each.stop()
  return { byServer, fallbacks: fallbacks.reduce((sum, count) => sum + count, 0) }
}

const cost = async (bench: Bench) => {
  const redis = await bench.redis()
  const limited = await server(bench, redis, "1000000/s")
  const free = await server(bench, redis, undefined)
  await bench.warmUp(1, rowTraffic(limited), rowTraffic(free))
  const p50 = async (of: Running) => (await bench.wrk(rowTraffic(of), 1)).p50
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
    const all = rounds.shared.map(({ byServer }) => byServer.flat())
    const allowed = all.map((shots) => shots.filter(isAnswered))
    const expected = amount * seconds
    bench.measured("allowed", "requests", allowed.map(({ length }) => length))
    bench.measured(
      "least and most allowed by one server",
      "requests",
      rounds.shared.flatMap(({ byServer }) => byServer.map((shots) => shots.filter(isAnswered).length))
    )
    // On a machine that is too busy the generators come late, and send for longer.
    bench.measured("the load took", "s", all.map(secondsOf))
    bench.measured("decided without Redis", "requests", rounds.shared.map(({ fallbacks }) => fallbacks))
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
    bench.measured("p50 of one caller of a limited server", "ms", rounds.cost.map(({ withLimit }) => withLimit))
    bench.measured("p50 of one caller of an unlimited one", "ms", rounds.cost.map(({ without }) => without))
    bench.note(ends(all.flat()))
  }
}
