/**
 * What the counts of a step say of a rollout: pure.
 *
 * It goes back on evidence that holds however often it is asked for (`RateTest.ts`), and forward on plain estimates once the
 * interval has passed: what is no worse than allowed by the best guess goes on to be watched with more traffic.
 */
import { LatencyHistogram } from "./LatencyHistogram.ts"
import { exceedsRate, isBelowRate } from "./RateTest.ts"
import type { RolloutCounts } from "./RolloutCounts.ts"
import type { RolloutGates } from "./RolloutPlan.ts"

export interface Verdict {
  readonly decision: "hold" | "advance" | "roll_back"
  /** A sentence with numbers, without the full stop. */
  readonly reason: string
}

export interface StepOfRollout {
  readonly gates: RolloutGates
  /** Of all processes, since the step began. */
  readonly counts: RolloutCounts
  readonly stepElapsedMs: number
  readonly atLastStep: boolean
  /** False where the target answers everything: then there is no default to be slower than. */
  readonly defaultAnswers: boolean
}

/**
 * The chance that a test of one step is wrong about a target that is as good as its gate asks. There are six: one of
 * errors, one of answers, and of each quantile two. Over four steps that is less than 1 %.
 */
const alpha = 0.0004

/** A latency that may be compared. The share of latencies above it is by its definition. */
interface Quantile {
  readonly name: string
  readonly shareAbove: number
}
const p50: Quantile = { name: "p50", shareAbove: 0.5 }
const p99: Quantile = { name: "p99", shareAbove: 0.01 }

/** How one gate stands: its figures in words, and whether it is broken, met, or not to be told yet. */
interface GateState {
  readonly figures: string
  readonly state: "refuted" | "met" | "missed" | "unknown"
}

const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`
const milliseconds = (ms: number | null): string => ms === null ? "nothing" : `${Number(ms.toPrecision(3))} ms`

const errorGate = ({ target }: RolloutCounts, max: number): GateState => {
  const { errors, requests } = target
  const figures = `${errors} of ${requests} requests failed (${percent(errors / requests)}, at most ${percent(max)})`
  if (exceedsRate(errors, requests, max, alpha)) return { figures, state: "refuted" }
  return { figures, state: errors <= max * requests ? "met" : "missed" }
}

/**
 * The target is too slow when more of its requests than the quantile's share above it take longer than `ratio` times the
 * default's quantile: more than 1 % for p99. That is known by an upper bound only, by the mirrored test on the default's own
 * latencies: it is at most b where a smaller share of them is above b. The bound falls as they come in and the test counts
 * what is above it: with the true quantile for a bound it would have more to go by, so it is wrong no more often than the
 * two tests together.
 */
const latencyGate = (
  { name, shareAbove }: Quantile,
  ratio: number,
  { counts, defaultAnswers, gates }: StepOfRollout
): GateState => {
  if (!defaultAnswers) return { figures: "no latency of the default to compare with", state: "met" }
  const ofDefault = LatencyHistogram.from(counts.default.latency)
  const ofTarget = LatencyHistogram.from(counts.target.latency)
  const known = ofDefault.quantile(1 - shareAbove)
  const found = ofTarget.quantile(1 - shareAbove)
  const figures = `${name} of ${milliseconds(found)} against ${milliseconds(known)} (at most ${ratio} times)`
  const bound = ofDefault.leastBound((above) => isBelowRate(above, ofDefault.total, shareAbove, alpha))
  if (exceedsRate(ofTarget.countAbove(ratio * bound), ofTarget.total, shareAbove, alpha)) {
    return { figures, state: "refuted" }
  }
  if (known === null || found === null || ofDefault.total < gates.minRequests) return { figures, state: "unknown" }
  return { figures, state: found <= ratio * known ? "met" : "missed" }
}

const agreementGate = ({ comparison }: RolloutCounts, min: number, { gates }: StepOfRollout): GateState => {
  const { agreed, items } = comparison
  if (items === 0) return { figures: "no answers were compared", state: "unknown" }
  const figures = `${agreed} of ${items} answers agree (${percent(agreed / items)}, at least ${percent(min)})`
  if (exceedsRate(items - agreed, items, 1 - min, alpha)) return { figures, state: "refuted" }
  if (items < gates.minRequests) return { figures, state: "unknown" }
  return { figures, state: agreed >= min * items ? "met" : "missed" }
}

const gateStates = (step: StepOfRollout): ReadonlyArray<GateState> => {
  const { counts, gates: { maxErrorRate, maxP50Ratio, maxP99Ratio, minAgreement } } = step
  return [
    ...(maxErrorRate === undefined ? [] : [errorGate(counts, maxErrorRate)]),
    ...(maxP50Ratio === undefined ? [] : [latencyGate(p50, maxP50Ratio, step)]),
    ...(maxP99Ratio === undefined ? [] : [latencyGate(p99, maxP99Ratio, step)]),
    ...(minAgreement === undefined ? [] : [agreementGate(counts, minAgreement, step)])
  ]
}

const figuresOf = (states: ReadonlyArray<GateState>): string =>
  states.length === 0 ? "no gates are set" : states.map(({ figures }) => figures).join("; ")

/** What to do with the rollout now. Nothing is decided before the target had `min_requests`. */
export const judge = (step: StepOfRollout): Verdict => {
  const { atLastStep, counts: { target }, gates: { intervalMs, minRequests }, stepElapsedMs } = step
  const hold = (reason: string): Verdict => ({ decision: "hold", reason })
  if (target.requests < minRequests) {
    return hold(`the target had ${target.requests} requests, and nothing is decided before ${minRequests}`)
  }
  const states = gateStates(step)
  const refuted = states.filter(({ state }) => state === "refuted")
  if (refuted.length > 0) {
    return { decision: "roll_back", reason: `the target is worse than it may be: ${figuresOf(refuted)}` }
  }
  if (stepElapsedMs < intervalMs) {
    return hold(`${Math.floor(stepElapsedMs / 1000)} of ${intervalMs / 1000} s have passed: ${figuresOf(states)}`)
  }
  const missed = states.filter(({ state }) => state === "missed")
  if (missed.length > 0) return hold(`not good enough to go on, nor proven bad: ${figuresOf(missed)}`)
  const unknown = states.filter(({ state }) => state === "unknown")
  if (unknown.length > 0) return hold(`too little to go by: ${figuresOf(unknown)}`)
  const where = atLastStep ? "the last step" : "the step"
  return {
    decision: "advance",
    reason: `${where} met its gates after ${Math.round(stepElapsedMs / 1000)} s and ${target.requests} requests: ${
      figuresOf(states)
    }`
  }
}
