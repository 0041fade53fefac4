/**
 * A cache whose Redis is in trouble in the middle of each run. Every text is new, so that each request asks Redis, computes
 * and stores: what a fault adds to that is the cache's doing.
 */
import { type Bench, pause } from "../Bench.ts"
import type { Traffic } from "../generators/Traffic.ts"
import { reviews, textBody } from "../Inputs.ts"
import type { RedisProcess } from "../processes/RedisProcess.ts"
import type { Running } from "../processes/Server.ts"
import { metricValues, readMetrics } from "../processes/ServerMetrics.ts"
import type { Scenario } from "../Scenario.ts"
import { embeddingsHere, predictPath } from "./TextServers.ts"

const callers = 8
/** The server's `CACHE_TIME_BUDGET`. */
const budgetMs = 50
/** More than are asked for in one run. */
const textsARun = 8_000
const recoveryMs = 10_000

interface Fault {
  readonly begin: (redis: RedisProcess) => unknown
  readonly end: (redis: RedisProcess) => unknown
}

const faults: Readonly<Record<string, Fault>> = {
  killed: { begin: (redis) => redis.kill(), end: (redis) => redis.restart() },
  "replaced by an empty one": { begin: (redis) => redis.restart(), end: () => undefined },
  stalled: { begin: (redis) => redis.stall(), end: (redis) => redis.resume() },
  full: {
    begin: (redis) => redis.command("CONFIG SET maxmemory 1"),
    end: (redis) => redis.command("CONFIG SET maxmemory 0")
  },
  "read-only": {
    begin: (redis) => redis.command("REPLICAOF 127.0.0.1 1"),
    end: (redis) => redis.command("REPLICAOF NO ONE")
  }
}

let runs = 0
const newTexts = ({ url }: Running): Traffic => {
  const run = ++runs
  return {
    url: `${url}${predictPath}`,
    requests: reviews(textsARun).map((text, index) => ({ body: textBody(`${run} ${index} ${text}`) })),
    headers: { "content-type": "application/json" }
  }
}

/** Milliseconds until the server reads from Redis and writes to it; fails when it does not by itself. */
const recovered = async ({ url }: Running): Promise<number> => {
  const startedMs = performance.now()
  let asked = 0
  while (performance.now() - startedMs < recoveryMs) {
    const body = textBody(`is it back? ${startedMs} ${asked++}`)
    await (await fetch(`${url}${predictPath}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body
    })).text()
    const states = metricValues(await readMetrics(url), "sluice_cache_store_state")
    if ([...states.values()].every((state) => state === 0)) return performance.now() - startedMs
    await pause(20)
  }
  throw new Error(`the cache's store did not come back within ${recoveryMs} ms`)
}

/** One run, with the fault in the middle half of it. */
const runWith = async (bench: Bench, sluice: Running, redis: RedisProcess, fault: Fault) => {
  const quarterMs = bench.options.seconds * 250
  const run = bench.wrk(newTexts(sluice), callers)
  await pause(quarterMs)
  await fault.begin(redis)
  await pause(2 * quarterMs)
  await fault.end(redis)
  const result = await run
  return { ...result, recoveryMs: await recovered(sluice) }
}

export const redisFaults: Scenario = {
  name: "redis-faults",
  about:
    "new texts, 8 callers, while the cache's Redis is killed, replaced, stalled, full, read-only; p99 and failures",
  run: async (bench: Bench) => {
    const redis = await bench.redisToHarm()
    const sluice = await bench.sluice({
      models: { embeddings: embeddingsHere() },
      env: { REDIS_URL: redis.url, CACHE_TIME_BUDGET: `${budgetMs} ms` }
    })
    await bench.warmUp(callers, newTexts(sluice))
    const rounds = await bench.rounds({
      normal: () => bench.wrk(newTexts(sluice), callers),
      faults: async () => {
        const results: Array<readonly [string, Awaited<ReturnType<typeof runWith>>]> = []
        for (const [name, fault] of Object.entries(faults)) {
          results.push([name, await runWith(bench, sluice, redis, fault)])
        }
        return new Map(results)
      }
    })
    const normal = rounds.normal.map(({ p99 }) => p99)
    bench.measured("normal, p99", "ms", normal)
    const shares: Array<ReadonlyArray<number>> = []
    const failures: Array<ReadonlyArray<number>> = []
    for (const name of Object.keys(faults)) {
      const each = rounds.faults.flatMap((round) => round.get(name) ?? [])
      bench.measured(`${name}, p99`, "ms", each.map(({ p99 }) => p99))
      bench.measured(`${name}, until it is used again`, "ms", each.map((run) => run.recoveryMs))
      shares.push(each.map(({ p99 }, round) => p99 / (1.5 * (normal[round] ?? NaN) + budgetMs)))
      failures.push(each.map((run) => run.failures))
    }
    const worst = (of: ReadonlyArray<ReadonlyArray<number>>) =>
      normal.map((_, round) => Math.max(...of.map((each) => each[round] ?? NaN)))
    bench.demand("p99_over_bound", "", worst(shares))
    bench.demand("failures", "requests", worst(failures))
  }
}
