/**
 * A rollout of simulated traffic, judged every second as the controller does.
 */
import { type OutputPair, RolloutMonitor } from "@sluice/core/rollout/RolloutMonitor"
import type { RolloutGates } from "@sluice/core/rollout/RolloutPlan"
import { judge } from "@sluice/core/rollout/RolloutVerdict"
import { latencies, randomNumbers } from "./RandomNumbers.ts"

export interface Traffic {
  readonly requestsPerSecond: number
  /** Of both sides: shares from 0 to 1, and the spread of the log-normal latency. */
  readonly spread: number
  /** Of the default, in milliseconds. */
  readonly medianMs: number
  /** The share of both sides' requests that the host holds up, and for how long. */
  readonly stalls?: { readonly share: number; readonly ms: number }
  readonly defaultErrorRate: number
  readonly targetErrorRate: number
  readonly targetSlower: number
  readonly disagreement: number
}

export type Ended =
  | { readonly decision: "roll_back"; readonly step: number; readonly requests: number; readonly seconds: number }
  | { readonly decision: "advance" | "hold" }

const answer = (prediction: string) => ({ outputs: {}, prediction: { prediction } })
const same: OutputPair = { default: answer("a"), target: answer("a"), input: undefined }
const other: OutputPair = { default: answer("a"), target: answer("b"), input: undefined }

const latenciesOf = (random: () => number, { medianMs, spread, stalls }: Traffic, slower: number): () => number => {
  const computed = latencies(random, spread, slower * medianMs / 10)
  return stalls === undefined ? computed : () => computed() + (random() < stalls.share ? stalls.ms : 0)
}

/** Goes through the steps, each for its interval; a step that only holds goes on for so many intervals. */
export const simulateRollout = (
  seed: number,
  traffic: Traffic,
  gates: RolloutGates,
  steps: ReadonlyArray<number>,
  intervals = 1
): Ended => {
  const random = randomNumbers(seed)
  const ofDefault = latenciesOf(random, traffic, 1)
  const ofTarget = latenciesOf(random, traffic, traffic.targetSlower)
  for (const [index, percentage] of steps.entries()) {
    const monitor = new RolloutMonitor({ keepInputs: false })
    let isOver = false
    for (let second = 1; second <= intervals * gates.intervalMs / 1_000 && !isOver; second++) {
      for (let request = 0; request < traffic.requestsPerSecond; request++) {
        if (random() * 100 < percentage) {
          monitor.record("target", ofTarget(), random() < traffic.targetErrorRate)
          monitor.compare(random() < traffic.disagreement ? other : same)
        } else {
          monitor.record("default", ofDefault(), random() < traffic.defaultErrorRate)
        }
      }
      const counts = monitor.counts()
      const { decision } = judge({
        gates,
        counts,
        stepElapsedMs: second * 1_000,
        atLastStep: index === steps.length - 1,
        defaultAnswers: percentage < 100
      })
      if (decision === "roll_back") {
        return { decision, step: percentage, requests: counts.target.requests, seconds: second }
      }
      isOver = decision === "advance"
    }
    if (!isOver) return { decision: "hold" }
  }
  return { decision: "advance" }
}

/** Shares of the outcomes of so many rollouts, and the requests and seconds that those rolled back needed, ascending. */
export const simulateRollouts = (
  runs: number,
  ...rest: Parameters<typeof simulateRollout> extends [number, ...infer Rest] ? Rest : never
) => {
  const ended = Array.from({ length: runs }, (_, run) => simulateRollout(run + 1, ...rest))
  const share = (decision: Ended["decision"]) => ended.filter((each) => each.decision === decision).length / runs
  const neededOf = (unit: "requests" | "seconds") =>
    ended.flatMap((each) => each.decision === "roll_back" ? [each[unit]] : []).sort((a, b) => a - b)
  return {
    rolledBack: share("roll_back"),
    advanced: share("advance"),
    held: share("hold"),
    needed: neededOf("requests"),
    seconds: neededOf("seconds")
  }
}
