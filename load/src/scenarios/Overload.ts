/**
 * Twice the capacity, with a deadline: what is answered must be answered in time, what is refused must be refused at once.
 */
import { type Bench, pause } from "../Bench.ts"
import type { Traffic } from "../generators/Traffic.ts"
import {
  ends,
  isAnswered,
  latency,
  sentBetween,
  type Shot,
  type UnderDeadline,
  underDeadline
} from "../generators/VegetaResults.ts"
import { reviews } from "../Inputs.ts"
import type { Running } from "../processes/Server.ts"
import { mean, ratios } from "../report/Statistics.ts"
import type { Scenario } from "../Scenario.ts"
import { embeddingsHere, textTraffic, unbatched } from "./TextServers.ts"

const callers = 32
const deadlineMs = 500
const overload = 2
/** How long the half load before and after the overload lasts. */
const calmSeconds = 4
const recoveryMs = 1000
const samplingMs = 500
const leastCapacitySeconds = 5
/** More goodput than this, of capacity, says that capacity was measured too low, and twice it was no overload. */
const mostCredible = 1.25
const offered = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3]

const texts = reviews(256)

/** Without a deadline: callers who are refused come back at once, and would take the machine from those who are served. */
const capacityOf = async (bench: Bench, running: Running): Promise<number> => {
  const seconds = Math.max(leastCapacitySeconds, bench.options.seconds)
  return (await bench.wrk(textTraffic(running, texts), callers, seconds)).requestsPerSecond
}

const withDeadline = (running: Running): Traffic => {
  const traffic = textTraffic(running, texts)
  return { ...traffic, headers: { ...traffic.headers, "x-sluice-timeout-ms": String(deadlineMs) } }
}

/** Resident memory, sampled until the work is done. */
const watchMemory = async (running: Running, work: Promise<unknown>): Promise<ReadonlyArray<number>> => {
  const samples: Array<number> = []
  let isDone = false
  const done = work.finally(() => {
    isDone = true
  })
  while (!isDone) {
    samples.push(running.residentMiB())
    await Promise.race([done, pause(samplingMs)])
  }
  return samples
}

/** The mean of the last quarter over that of the second: after it has grown to its size, it stays there. */
const growth = (samples: ReadonlyArray<number>): number => {
  const quarter = samples.length / 4
  return mean(samples.slice(Math.floor(3 * quarter))) / mean(samples.slice(Math.floor(quarter), Math.ceil(2 * quarter)))
}

interface Round extends UnderDeadline {
  readonly capacity: number
  readonly memoryGrowth: number
  readonly calmP99: number
  readonly recoveredShare: number
  readonly recoveredP99: number
  readonly shots: ReadonlyArray<Shot>
}

const oneRound = async (bench: Bench, running: Running): Promise<Round> => {
  const traffic = withDeadline(running)
  const { long } = bench.options
  const capacity = await capacityOf(bench, running)
  const half = { perSecond: Math.max(1, Math.round(capacity / 2)), seconds: calmSeconds }
  const calm = sentBetween(await bench.vegeta(traffic, half), recoveryMs)
  const load = { perSecond: Math.round(capacity * overload), seconds: long }
  const overloaded = bench.vegeta(traffic, load)
  // Half load follows by the clock, while the last requests of the overload may still be on their way.
  const after = pause(long * 1000).then(() => bench.vegeta(traffic, half))
  const samples = await watchMemory(running, overloaded)
  const shots = await overloaded
  const recovered = sentBetween(await after, recoveryMs)
  return {
    ...underDeadline(shots, long, deadlineMs),
    shots,
    capacity,
    memoryGrowth: growth(samples),
    calmP99: latency(calm, 99),
    recoveredShare: recovered.filter(isAnswered).length / recovered.length,
    recoveredP99: latency(recovered, 99)
  }
}

/** Goodput against offered load, where plots are asked for. */
const plotGoodput = async (bench: Bench, subjects: Readonly<Record<string, Running>>): Promise<void> => {
  if (bench.options.plots === undefined) return
  const { seconds } = bench.options
  const series = []
  for (const [name, running] of Object.entries(subjects)) {
    const traffic = withDeadline(running)
    const capacity = await capacityOf(bench, running)
    const points: Array<readonly [number, number]> = []
    for (const factor of offered) {
      bench.say(`plot: ${name} at ${factor} × capacity`)
      const perSecond = Math.round(capacity * factor)
      const shots = await bench.vegeta(traffic, { perSecond, seconds })
      points.push([perSecond, underDeadline(shots, seconds, deadlineMs).goodput])
      await pause(1000)
    }
    series.push({ name, points })
  }
  bench.plot({
    name: "goodput",
    title: `Embeddings: answers within ${deadlineMs} ms, up to ${offered.at(-1)} × capacity`,
    x: "requests offered a second",
    y: "answers in time a second",
    series
  })
}

export const overloaded: Scenario = {
  name: "overload",
  about:
    "embeddings, open loop at twice the capacity that was just measured, deadline 500 ms; goodput, refusals, memory, recovery",
  run: async (bench) => {
    const version = embeddingsHere()
    const sluice = await bench.sluice({ models: { embeddings: version } })
    await bench.warmUp(callers, textTraffic(sluice, texts))
    const { sluice: rounds } = await bench.rounds({ sluice: () => oneRound(bench, sluice) })
    const of = (pick: (round: Round) => number): ReadonlyArray<number> => rounds.map(pick)
    const isVoid = ({ capacity, goodput }: Round): boolean => goodput > mostCredible * capacity
    /** An overload that was none would seem to meet everything; without a round that was one, all is missed. */
    const underLoad = (pick: (round: Round) => number): ReadonlyArray<number> =>
      rounds.filter((round) => !isVoid(round)).map(pick)
    bench.measured("capacity, 32 callers", "texts/s", of(({ capacity }) => capacity))
    bench.measured("goodput at twice that", "texts/s", of(({ goodput }) => goodput))
    bench.measured("requests without an answer", "requests", of(({ refused }) => refused))
    bench.measured("p99 at half load before", "ms", of(({ calmP99 }) => calmP99))
    bench.measured("p99 at half load from 1 s after", "ms", of(({ recoveredP99 }) => recoveredP99))
    bench.demand("goodput_over_capacity", "", underLoad(({ capacity, goodput }) => goodput / capacity))
    bench.demand("answered_p99_ms", "ms", underLoad(({ answeredP99 }) => answeredP99))
    bench.demand("polite_refusals", "", underLoad(({ politeShare }) => politeShare))
    bench.demand("refusal_p99_ms", "ms", underLoad(({ refusalP99 }) => refusalP99))
    bench.demand("memory_growth", "", underLoad(({ memoryGrowth }) => memoryGrowth))
    bench.demand("answered_after", "", of(({ recoveredShare }) => recoveredShare))
    bench.demand(
      "p99_after_over_before",
      "",
      ratios(of(({ recoveredP99 }) => recoveredP99), of(({ calmP99 }) => calmP99))
    )
    for (const [i, { shots }] of rounds.entries()) bench.note(`round ${i + 1}: ${ends(shots)}`)
    const voidRounds = rounds.filter(isVoid).length
    if (voidRounds > 0) {
      bench.note(
        `in ${voidRounds} of ${rounds.length} rounds capacity was measured too low (a busy machine?), so that twice it was no overload; they do not count`
      )
    }
    bench.note(`the model is ${String(version["precision"])}`)
    if (bench.options.plots === undefined) return
    const alone = await bench.sluice({ models: { embeddings: unbatched(version) } })
    await bench.warmUp(callers, textTraffic(alone, texts))
    await plotGoodput(bench, { sluice, "no batching": alone })
  }
}
