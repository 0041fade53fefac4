/**
 * Four rollouts at once, of a good target and of three bad ones: who is taken back, after how long, and who goes on.
 */
import type { RolloutStatus } from "@sluice/domain/RolloutStatus"
import { pause } from "../Bench.ts"
import { type Traffic, uncached } from "../generators/Traffic.ts"
import { plugin } from "../processes/Registry.ts"
import type { Running } from "../processes/Server.ts"
import type { Scenario } from "../Scenario.ts"

const perModel = 200
const intervalSeconds = 30
/** A good target takes each of its steps, and then some. */
const seconds = 3 * intervalSeconds + 15

const targets = {
  good: {},
  failing: { fails: 0.05 },
  slow: { slower: 3 },
  different: { differs: 0.1 }
} as const
type Name = keyof typeof targets
const names: ReadonlyArray<Name> = ["good", "failing", "slow", "different"]

const registry = (): string => {
  const version = (options: object) => ({
    path: plugin("Candidate"),
    plugin: "candidate",
    // Twice what 200 requests/s keep busy: copies are computed only while an instance is idle.
    instances: 16,
    cache: false,
    options
  })
  return JSON.stringify({
    models: Object.fromEntries(names.map((name) => [name, {
      default_version: "v1",
      versions: { v1: version({}), v2: { ...version(targets[name]), status: "candidate" } },
      rollout_strategy: {
        type: "canary",
        canary_percentage: 10,
        target_version: "v2",
        steps: [50, 100],
        analysis: {
          max_error_rate: 0.01,
          max_p50_ratio: 1.5,
          max_p99_ratio: 1.5,
          min_agreement: 0.95,
          min_requests: 100,
          interval: intervalSeconds
        }
      }
    }]))
  })
}

const trafficTo = ({ url }: Running): Traffic => ({
  url: `${url}/api/v1/predict`,
  requests: Array.from({ length: 4 * 5000 }, (_, i) => ({
    body: JSON.stringify({ model: names[i % names.length], features: [[Math.floor(i / names.length) + 1]] })
  })),
  headers: uncached
})

const statusOf = async ({ url }: Running, name: Name): Promise<RolloutStatus> =>
  JSON.parse(await (await fetch(`${url}/api/v1/models/${name}/rollout`)).text())

/** Seconds until each rollout has ended, one way or the other; NaN for one that has not. */
const watch = async (
  sluice: Running
): Promise<ReadonlyMap<Name, { readonly phase: string; readonly after: number }>> => {
  const ended = new Map<Name, { readonly phase: string; readonly after: number }>()
  const from = performance.now()
  for (let after = 0; after < seconds && ended.size < names.length; after = (performance.now() - from) / 1000) {
    for (const name of names) {
      if (ended.has(name)) continue
      const { phase } = await statusOf(sluice, name)
      if (phase !== "running") ended.set(name, { phase, after })
    }
    await pause(250)
  }
  return ended
}

export const rolloutVerdicts: Scenario = {
  name: "rollout-verdicts",
  about:
    "canaries of 10 %, 200 requests/s each: a target that fails 5 %, one 3 × slower, one that answers 10 % otherwise, a good one",
  run: async (bench) => {
    const { round } = await bench.rounds({
      round: async () => {
        const sluice = await bench.sluice({ plugins: ["Candidate"], registry: registry() })
        const traffic = bench.vegeta(trafficTo(sluice), { perSecond: perModel * names.length, seconds })
        const ended = await watch(sluice)
        await traffic
        for (const name of names) {
          const { decisions, percentage, phase } = await statusOf(sluice, name)
          bench.note(`${name}: ${phase} at ${percentage} %: ${decisions.map(({ reason }) => reason).join(" | ")}`)
        }
        await sluice.stop()
        return ended
      }
    })
    const afterOf = (name: Name, phase: string) =>
      round.map((ended) => {
        const end = ended.get(name)
        return end?.phase === phase ? end.after : Infinity
      })
    for (const name of ["failing", "slow", "different"] as const) {
      bench.demand(`${name}_rolled_back_after`, "s", afterOf(name, "rolled_back"))
    }
    bench.demand("good_promoted_after", "s", afterOf("good", "promoted"))
  }
}
