/**
 * Where a rollout stands, and how it moves on: pure. Decisions of the controller and of operators are the same transitions.
 */
import { ChangeRefused } from "@sluice/domain/Errors"
import { type RolloutAction, RolloutDecision, RolloutPhase, type RolloutStatus } from "@sluice/domain/RolloutStatus"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Routing } from "./Assignment.ts"
import type { RolloutPlan } from "./RolloutPlan.ts"
import type { Verdict } from "./RolloutVerdict.ts"

/** Decisions that are kept. */
const maxDecisions = 50

export const RolloutState = Schema.Struct({
  rolloutId: Schema.String,
  phase: RolloutPhase,
  /** 0 to 100. */
  percentage: Schema.Finite,
  /** Counted up whenever traffic changes: counts belong to one step. */
  step: Schema.Natural,
  /** Milliseconds since 1970. */
  stepStartedAt: Schema.Finite,
  /** Grows with each change, over all rollouts of the model. */
  revision: Schema.Natural,
  /** The newest first. */
  decisions: Schema.Array(RolloutDecision)
})
export interface RolloutState extends Schema.Schema.Type<typeof RolloutState> {}

/** What a decision was based on. */
export type Evidence = Pick<RolloutStatus, "default" | "target" | "comparison">

/** A rollout as the registry has it, before anything was decided; it replaces one of that revision. */
export const beginRollout = (plan: RolloutPlan, nowMs: number, replaced: number): RolloutState => ({
  rolloutId: plan.rolloutId,
  phase: "running",
  percentage: plan.percentage,
  step: 0,
  stepStartedAt: nowMs,
  revision: replaced + 1,
  decisions: []
})

/** The percentage after this one; undefined at the last step. */
const nextStep = ({ steps }: RolloutPlan, { percentage }: RolloutState): number | undefined =>
  steps.find((step) => step > percentage)

export const isAtLastStep = (plan: RolloutPlan, state: RolloutState): boolean => nextStep(plan, state) === undefined

interface Move {
  readonly phase: RolloutPhase
  readonly percentage: number
  readonly decision: RolloutDecision["decision"]
  readonly by: string
  readonly reason: string
  readonly evidence?: Evidence
}

const move = (state: RolloutState, nowMs: number, { by, decision, evidence, percentage, phase, reason }: Move) => {
  const reroutes = percentage !== state.percentage || phase === "promoted" || state.phase === "promoted"
  const decided: RolloutDecision = {
    at: new Date(nowMs).toISOString(),
    by,
    decision,
    percentage,
    reason,
    ...evidence
  }
  return {
    rolloutId: state.rolloutId,
    phase,
    percentage,
    step: reroutes ? state.step + 1 : state.step,
    stepStartedAt: reroutes ? nowMs : state.stepStartedAt,
    revision: state.revision + 1,
    decisions: [decided, ...state.decisions].slice(0, maxDecisions)
  } satisfies RolloutState
}

/**
 * What the controller makes of a verdict; undefined where nothing changes. A canary is promoted from 100 % only: where its
 * steps end below, the rest is the operator's to decide.
 */
export const applyVerdict = (
  plan: RolloutPlan,
  state: RolloutState,
  { decision, reason }: Verdict,
  evidence: Evidence,
  nowMs: number
): RolloutState | undefined => {
  if (state.phase !== "running" || decision === "hold") return undefined
  const decided = { by: "controller", reason, evidence }
  if (decision === "roll_back") {
    return move(state, nowMs, { ...decided, decision: "roll_back", phase: "rolled_back", percentage: 0 })
  }
  const next = nextStep(plan, state)
  if (next !== undefined) {
    return move(state, nowMs, { ...decided, decision: "advance", phase: "running", percentage: next })
  }
  if (plan.type === "shadow") {
    return move(state, nowMs, { ...decided, decision: "pass", phase: "passed", percentage: state.percentage })
  }
  return state.percentage < 100
    ? undefined
    : move(state, nowMs, { ...decided, decision: "promote", phase: "promoted", percentage: 100 })
}

const phaseNames: Readonly<Record<RolloutPhase, string>> = {
  running: "running",
  paused: "paused",
  promoted: "promoted",
  rolled_back: "rolled back",
  passed: "passed"
}

/** What an operator asks for. What is the case already changes nothing, so that asking twice is asking once. */
export const applyAction = (
  { model }: RolloutPlan,
  state: RolloutState,
  action: RolloutAction,
  by: string,
  nowMs: number
): Result.Result<RolloutState, ChangeRefused> => {
  const { percentage, phase } = state
  const refuse = (help: string) =>
    Result.fail(new ChangeRefused({ detail: `the rollout of "${model}" is ${phaseNames[phase]}: ${help}` }))
  const to = (decision: RolloutDecision["decision"], phase: RolloutPhase, percentage: number) =>
    Result.succeed(move(state, nowMs, { by, decision, phase, percentage, reason: "asked for by hand" }))
  switch (action.action) {
    case "pause":
      if (phase === "paused") return Result.succeed(state)
      return phase === "running" ? to("pause", "paused", percentage) : refuse("it decides nothing that could be paused")
    case "resume":
      if (phase === "running") return Result.succeed(state)
      return phase === "paused" ? to("resume", "running", percentage) : refuse("set a percentage to start it again")
    case "promote":
      if (phase === "promoted") return Result.succeed(state)
      return phase === "rolled_back"
        ? refuse("set a percentage to try the target again, and promote it after that")
        : to("promote", "promoted", 100)
    case "rollback":
      return phase === "rolled_back" ? Result.succeed(state) : to("roll_back", "rolled_back", 0)
    case "set_percentage": {
      const next = phase === "paused" ? "paused" : "running"
      return phase === next && percentage === action.percentage
        ? Result.succeed(state)
        : to("set_percentage", next, action.percentage)
    }
  }
}

/** How the state routes requests that name no version. */
export const routingOf = ({ targetVersion, type }: RolloutPlan, { percentage, phase }: RolloutState): Routing => // A shadow that was promoted answers, as a canary of all traffic does.
({ type: phase === "promoted" ? "canary" : type, targetVersion, percentage })
