/**
 * Rollouts as several processes have them, on one store, under simulated traffic.
 */
import type { ModelEntry } from "@sluice/core/registry/RegistryEntry"
import { assignVersion } from "@sluice/core/rollout/Assignment"
import type { OutputPair } from "@sluice/core/rollout/RolloutMonitor"
import { type DecidedRollout, Rollouts } from "@sluice/core/rollout/Rollouts"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import * as TestClock from "effect/testing/TestClock"
import { registryOf } from "../registry/Registries.ts"
import { latencies, randomNumbers } from "./RandomNumbers.ts"

const strategy = {
  type: "canary",
  canary_percentage: 5,
  target_version: "v2",
  steps: [5, 25, 50, 100],
  analysis: { max_error_rate: 0.01, max_p99_ratio: 1.5, min_agreement: 0.95, min_requests: 100, interval: 30 }
}
export const modelsWith = (rollout: object | undefined): ReadonlyArray<ModelEntry> =>
  registryOf({
    m: {
      default_version: "v1",
      versions: { v1: { path: "x" }, v2: { path: "y" } },
      ...(rollout === undefined ? {} : { rollout_strategy: rollout })
    }
  }).models
export const canary = (changes: object = {}) => modelsWith({ ...strategy, ...changes })
export const byHand = canary({ analysis: undefined })

/** The rollouts of one process, on the store of the test. They end with the scope. */
export const process = (models: ReadonlyArray<ModelEntry> = canary()) =>
  Effect.gen(function*() {
    const rollouts = yield* Rollouts
    const decided: Array<DecidedRollout> = []
    rollouts.onDecision((each) => decided.push(each))
    yield* rollouts.configure(models)
    return { rollouts, decided }
  }).pipe((built) =>
    Effect.flatMap(Layer.build(Layer.fresh(Rollouts.layer)), (context) => Effect.provide(built, context))
  )
export type Process = Effect.Success<ReturnType<typeof process>>

export interface Target {
  readonly errorRate?: number
  readonly slower?: number
  readonly disagreement?: number
}

const answer = (prediction: string) => ({ outputs: {}, prediction: { prediction } })
const pair = (agrees: boolean): OutputPair => ({
  default: answer("a"),
  target: answer(agrees ? "a" : "b"),
  input: { _tag: "Text", text: "what was asked" }
})

let random = randomNumbers(11)
/** Each test has the same traffic, whichever tests run before it. */
export const sameTraffic = (): void => {
  random = randomNumbers(11)
}

/** A second of 200 requests, spread over the processes as a load balancer would. */
const serveSecond = (processes: ReadonlyArray<Process>, { disagreement = 0, errorRate = 0, slower = 1 }: Target) => {
  const ofDefault = latencies(random, 0.5)
  const ofTarget = latencies(random, 0.5, slower)
  for (let request = 0; request < 200; request++) {
    const { rollouts } = processes[request % processes.length]!
    const monitor = rollouts.monitor("m")
    const routing = rollouts.routing("m")
    if (monitor === undefined || routing === undefined) continue
    const answersByTarget = assignVersion("m", "v1", routing, `${random()}`) === "v2"
    const isCopied = routing.type === "shadow" && random() * 100 < routing.percentage
    if (!answersByTarget) monitor.record("default", ofDefault(), false)
    if (answersByTarget || isCopied) {
      monitor.record("target", ofTarget(), random() < errorRate)
      monitor.compare(pair(random() >= disagreement))
    }
  }
}

export const serve = (processes: ReadonlyArray<Process>, seconds: number, target: Target = {}) =>
  Effect.suspend(() => {
    serveSecond(processes, target)
    return TestClock.adjust("1 second")
  }).pipe(Effect.repeat(Schedule.recurs(seconds - 1)))

export const standing = ({ rollouts }: Process) =>
  Effect.map(rollouts.status("m"), ({ percentage, phase }) => `${phase} ${percentage}`)

export const recorder = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([Logger.make<unknown, void>(({ message }) => {
    lines.push(String(message))
  })])
  return { lines, layer }
}
export const quiet = Logger.layer([])
