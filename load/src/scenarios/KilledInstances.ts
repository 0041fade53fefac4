/**
 * An instance dies in the middle of a batch every two seconds. Its batch has one retry; callers must not notice.
 */
import { mkdtemp, readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import type { Bench } from "../Bench.ts"
import { type Traffic, uncached } from "../generators/Traffic.ts"
import { ends, isAnswered, latency, type Shot } from "../generators/VegetaResults.ts"
import { rowBody } from "../Inputs.ts"
import { plugin } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import type { Scenario } from "../Scenario.ts"

const everyMs = 2000
const perSecond = 150
const hangSeconds = 10

interface Round {
  readonly kills: number
  readonly errors: number
  /** Items that were in two batches that were lost: the retry was lost too. */
  readonly lostTwice: number
  readonly wrong: number
  readonly hangs: number
  readonly shots: ReadonlyArray<Shot>
}

/** Numbers that occur more than once over all deaths. */
export const lostTwice = (deaths: ReadonlyArray<ReadonlyArray<number>>): number => {
  const counts = new Map<number, number>()
  for (const number of deaths.flat()) counts.set(number, (counts.get(number) ?? 0) + 1)
  return [...counts.values()].filter((count) => count > 1).length
}

/** Every request has a number of its own; its answer is twice that. */
const isWrong = (shot: Shot): boolean => {
  const answer: { readonly outputs?: ReadonlyArray<{ readonly data: ReadonlyArray<number> }> } = JSON.parse(
    shot.body.toString()
  )
  return answer.outputs?.[0]?.data[0] !== 2 * Number(shot.tag.split("=")[1])
}

const readDeaths = async (folder: string): Promise<ReadonlyArray<ReadonlyArray<number>>> =>
  Promise.all((await readdir(folder)).map(async (name) => JSON.parse(await readFile(join(folder, name), "utf8"))))

const trafficTo = ({ url }: Running, count: number): Traffic => ({
  url: `${url}/v2/models/mortal/infer`,
  requests: Array.from({ length: count }, (_, i) => ({ body: rowBody("x", [i + 1]), tag: `number=${i + 1}` })),
  headers: uncached
})

const oneRound = async (bench: Bench, isolation: string): Promise<Round> => {
  const { long } = bench.options
  const deaths = await mkdtemp(join(await bench.folder(), "deaths-"))
  const sluice = await bench.sluice({
    plugins: ["Mortal"],
    models: {
      mortal: {
        path: plugin("Mortal"),
        plugin: "mortal",
        isolation,
        instances: 2,
        options: { deaths, every_ms: everyMs, starter: process.pid }
      }
    }
  })
  const shots = await bench.vegeta(
    trafficTo(sluice, perSecond * long),
    { perSecond, seconds: long },
    { keepBodies: true, timeoutSeconds: hangSeconds }
  )
  await sluice.stop()
  const recorded = await readDeaths(deaths)
  return {
    kills: recorded.length,
    errors: shots.filter((shot) => !isAnswered(shot)).length,
    lostTwice: lostTwice(recorded),
    wrong: shots.filter(isAnswered).filter(isWrong).length,
    hangs: shots.filter(({ status }) => status === 0).length,
    shots
  }
}

export const killedInstances: Scenario = {
  name: "kill",
  about:
    "an instance dies in the middle of a batch every 2 s, 150 requests/s, in threads and in processes; errors, wrong answers, hangs",
  run: async (bench) => {
    const rounds = await bench.rounds({
      thread: () => oneRound(bench, "thread"),
      process: () => oneRound(bench, "process")
    })
    for (const [isolation, runs] of Object.entries(rounds)) {
      bench.measured(`${isolation}: instances killed`, "", runs.map(({ kills }) => kills))
      bench.measured(`${isolation}: errors`, "requests", runs.map(({ errors }) => errors))
      bench.measured(`${isolation}: items lost with their retry`, "items", runs.map((run) => run.lostTwice))
      bench.measured(`${isolation}: p99`, "ms", runs.map(({ shots }) => latency(shots, 99)))
      bench.demand(
        `${isolation}_errors_beyond_lost`,
        "requests",
        runs.map((run) => (run.kills === 0 ? NaN : run.errors - run.lostTwice))
      )
      bench.demand(`${isolation}_wrong_answers`, "answers", runs.map(({ wrong }) => wrong))
      bench.demand(`${isolation}_hangs`, "requests", runs.map(({ hangs }) => hangs))
      bench.note(`${isolation}: ${ends(runs.flatMap(({ shots }) => shots))}`)
    }
  }
}
