/**
 * A rollout as this process follows it: the state it knows, how that routes, and what it counts in the present step.
 */
import type { RolloutPhase, RolloutStatus } from "@sluice/domain/RolloutStatus"
import type { Routing } from "./Assignment.ts"
import { comparisonOf, type RolloutCounts, sideOf } from "./RolloutCounts.ts"
import { RolloutMonitor } from "./RolloutMonitor.ts"
import type { RolloutPlan } from "./RolloutPlan.ts"
import { type Evidence, type RolloutState, routingOf } from "./RolloutState.ts"

/**
 * `unknown`: the store did not answer yet, and the default answers all. `kept`: the store has this rollout. `superseded`: it
 * has another one, of a process that serves another registry.
 */
export type Standing = "unknown" | "kept" | "superseded"

/** Where a rollout stands, as this process knows. */
export interface RolloutPosition {
  readonly model: string
  readonly targetVersion: string
  readonly phase: RolloutPhase
  /** 0 to 100. */
  readonly percentage: number
}

/** Examples of disagreement that a decision keeps: fifty decisions are read every second. */
const examplesOfDecision = 3

export class FollowedRollout {
  #plan: RolloutPlan
  #state: RolloutState
  #standing: Standing = "unknown"
  #routing: Routing = { type: "pinned" }
  #monitor: RolloutMonitor

  constructor(plan: RolloutPlan, state: RolloutState) {
    this.#plan = plan
    this.#state = state
    this.#monitor = new RolloutMonitor(plan)
  }

  get plan(): RolloutPlan {
    return this.#plan
  }

  get state(): RolloutState {
    return this.#state
  }

  get standing(): Standing {
    return this.#standing
  }

  get position(): RolloutPosition {
    const { model, targetVersion } = this.#plan
    const { percentage, phase } = this.#state
    return this.#standing === "unknown"
      ? { model, targetVersion, phase: "paused", percentage: 0 }
      : { model, targetVersion, phase, percentage }
  }

  get routing(): Routing {
    return this.#routing
  }

  get monitor(): RolloutMonitor {
    return this.#monitor
  }

  /** Takes the state that the store has. Another step is counted anew. */
  adopt(state: RolloutState): void {
    if (state.step !== this.#state.step) this.#monitor = new RolloutMonitor(this.#plan)
    this.#state = state
    this.#standing = "kept"
    this.#routing = routingOf(this.#plan, state)
  }

  supersede(): void {
    this.#standing = "superseded"
  }

  /** Takes the registry's other gates for the same rollout. Examples kept under another rule are let go of. */
  replan(plan: RolloutPlan): void {
    if (plan.keepInputs !== this.#plan.keepInputs) this.#monitor = new RolloutMonitor(plan)
    this.#plan = plan
  }

  /** What a decision on these counts is based on. */
  evidence(counts: RolloutCounts): Evidence {
    return this.#summary(counts, examplesOfDecision)
  }

  status(counts: RolloutCounts): RolloutStatus {
    const { defaultVersion, model, targetVersion, type } = this.#plan
    const { decisions, revision } = this.#state
    const { percentage, phase } = this.position
    return {
      model,
      type,
      phase,
      default_version: defaultVersion,
      target_version: targetVersion,
      percentage,
      revision: this.#standing === "unknown" ? 0 : revision,
      ...this.#summary(counts, Infinity),
      decisions
    }
  }

  #summary(counts: RolloutCounts, examples: number): Required<Evidence> {
    return {
      default: sideOf(this.#plan.defaultVersion, counts.default),
      target: sideOf(this.#plan.targetVersion, counts.target),
      comparison: comparisonOf(counts.comparison, examples)
    }
  }
}
