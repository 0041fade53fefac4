import { assert, describe, it } from "@effect/vitest"
import type { RolloutGates } from "@sluice/core/rollout/RolloutPlan"
import { simulateRollouts, type Traffic } from "./RolloutSimulation.ts"

const gates: RolloutGates = {
  maxErrorRate: 0.01,
  maxP50Ratio: 1.5,
  maxP99Ratio: 1.5,
  minAgreement: 0.95,
  minRequests: 100,
  intervalMs: 30_000
}

const good: Traffic = {
  requestsPerSecond: 200,
  spread: 0.5,
  medianMs: 10,
  defaultErrorRate: 0.001,
  targetErrorRate: 0.001,
  targetSlower: 1,
  disagreement: 0.01
}
/** Its stalls make the 99th percentile of both versions: three times slower is 1.4 times by that. */
const noisyHost = { medianMs: 40, spread: 0.1, stalls: { share: 0.03, ms: 150 } }
const steps = [5, 25, 50, 100]
const runs = Number(process.env["ROLLOUT_SIMULATIONS"] ?? 1_000)
const fewerRuns = Number(process.env["ROLLOUT_SIMULATIONS"] ?? 300)

type Outcome = ReturnType<typeof simulateRollouts>

const quantileOf = (ascending: ReadonlyArray<number>, q: number): number =>
  ascending[Math.min(ascending.length - 1, Math.floor(q * ascending.length))] ?? NaN

/** For the documentation: `ROLLOUT_SIMULATIONS=1000` prints what was measured. */
const tell = (name: string, { advanced, held, needed, rolledBack, seconds }: Outcome): void => {
  if (process.env["ROLLOUT_SIMULATIONS"] === undefined) return
  const figures = (ascending: ReadonlyArray<number>) =>
    `median ${quantileOf(ascending, 0.5)}, 90 % ${quantileOf(ascending, 0.9)}, most ${ascending.at(-1) ?? NaN}`
  process.stderr.write(
    `${name}: rolled back ${rolledBack}, advanced ${advanced}, held ${held}; ` +
      `requests needed: ${figures(needed)}; seconds: ${figures(seconds)}\n`
  )
}

const simulate = (name: string, ...rest: Parameters<typeof simulateRollouts>) => {
  const outcome = simulateRollouts(...rest)
  tell(name, outcome)
  return outcome
}

describe("a good rollout", () => {
  it.each<readonly [string, number, Traffic]>([
    ["of ordinary latencies", runs, good],
    ["of heavy-tailed latencies, the same on both sides", fewerRuns, { ...good, spread: 1.2 }],
    ["on a host that stalls", fewerRuns, { ...good, ...noisyHost }]
  ])("%s is rolled back less than once in a hundred, over all its steps", (name, runs, traffic) => {
    assert.isBelow(simulate(name, runs, traffic, gates, steps).rolledBack, 0.01)
  }, 120_000)

  it("that is no better than each gate asks, looked at for three times the interval, is rolled back as seldom", () => {
    const atTheBound = { ...good, targetErrorRate: 0.01, targetSlower: 1.5, disagreement: 0.05 }
    const { rolledBack } = simulate("at the bound", fewerRuns, atTheBound, gates, [10], 3)
    assert.isBelow(rolledBack, 0.01)
  }, 120_000)

  it("mostly reaches its last step without being held", () => {
    assert.isAbove(simulate("good", 100, good, gates, steps).advanced, 0.95)
  }, 120_000)
})

describe("a bad target at 10 % of 200 requests a second", () => {
  it.each<readonly [string, Traffic, number]>([
    ["that fails 5 %", { ...good, targetErrorRate: 0.05 }, 0.97],
    ["that is three times slower", { ...good, targetSlower: 3 }, 0.99],
    ["that answers 20 % otherwise", { ...good, disagreement: 0.2 }, 0.99],
    // Twice the share allowed: 600 answers tell it apart by a fixed-size test in 93 of 100, and by one of any size in fewer.
    ["that answers 10 % otherwise", { ...good, disagreement: 0.1 }, 0.7]
  ])("%s is rolled back within one interval", (name, traffic, least) => {
    assert.isAbove(simulate(name, 300, traffic, gates, [10]).rolledBack, least)
  }, 120_000)

  it("that answers 10 % otherwise never goes on, and is rolled back within four intervals", () => {
    const { advanced, rolledBack } = simulate(
      "10 % otherwise, four intervals",
      300,
      { ...good, disagreement: 0.1 },
      gates,
      [10, 25],
      4
    )
    assert.strictEqual(advanced, 0)
    assert.isAbove(rolledBack, 0.99)
  }, 120_000)
})

describe("a target three times slower, at 10 % of 200 requests a second on a host that stalls", () => {
  const slowUnder = (stallMs: number): Traffic => ({
    ...good,
    ...noisyHost,
    stalls: { ...noisyHost.stalls, ms: stallMs },
    targetSlower: 3
  })
  const byP50 = { ...gates, maxP99Ratio: undefined }
  const byP99 = { ...gates, maxP50Ratio: undefined }

  it.each([150, 80])("of %i ms is rolled back within the interval by its median", (stallMs) => {
    const { rolledBack, seconds } = simulate(`p50, stalls of ${stallMs} ms`, fewerRuns, slowUnder(stallMs), byP50, [10])
    assert.strictEqual(rolledBack, 1)
    assert.isAtMost(seconds.at(-1) ?? Infinity, 30)
  }, 120_000)

  it("of 150 ms goes on by its p99 alone, which is within the gate", () => {
    const { advanced } = simulate("p99, stalls of 150 ms", fewerRuns, slowUnder(150), byP99, [10])
    assert.isAbove(advanced, 0.99)
  }, 120_000)

  it("of 80 ms is found later by its p99 than by its median", () => {
    const runs = Math.min(fewerRuns, 100)
    const later = simulate("p99, stalls of 80 ms", runs, slowUnder(80), byP99, [10], 10)
    const sooner = simulate("p50, stalls of 80 ms", runs, slowUnder(80), byP50, [10], 10)
    assert.isAbove(quantileOf(later.seconds, 0.5), quantileOf(sooner.seconds, 0.9))
  }, 120_000)
})
