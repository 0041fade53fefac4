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

/** Goes through the steps, each for its interval; a step that only holds goes on for so many intervals. */
export const simulateRollout = (
  seed: number,
  traffic: Traffic,
  gates: RolloutGates,
  steps: ReadonlyArray<number>,
  intervals = 1
): Ended => {
  const random = randomNumbers(seed)
  const ofDefault = latencies(random, traffic.spread)
  const ofTarget = latencies(random, traffic.spread, traffic.targetSlower)
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

/** Shares of the outcomes of so many rollouts, and the requests that those rolled back needed, in ascending order. */
export const simulateRollouts = (
  runs: number,
  ...rest: Parameters<typeof simulateRollout> extends [number, ...infer Rest] ? Rest : never
) => {
  const ended = Array.from({ length: runs }, (_, run) => simulateRollout(run + 1, ...rest))
  const share = (decision: Ended["decision"]) => ended.filter((each) => each.decision === decision).length / runs
  const needed = ended.flatMap((each) => each.decision === "roll_back" ? [each.requests] : []).sort((a, b) => a - b)
  return { rolledBack: share("roll_back"), advanced: share("advance"), held: share("hold"), needed }
}
