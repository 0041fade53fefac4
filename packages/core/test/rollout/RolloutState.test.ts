import { assert, describe, it } from "@effect/vitest"
import { planOf, type RolloutPlan } from "@sluice/core/rollout/RolloutPlan"
import {
  applyAction,
  applyVerdict,
  beginRollout,
  isAtLastStep,
  RolloutState,
  routingOf
} from "@sluice/core/rollout/RolloutState"
import type { Verdict } from "@sluice/core/rollout/RolloutVerdict"
import type { RolloutAction } from "@sluice/domain/RolloutStatus"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as fc from "fast-check"
import { registryOf } from "../registry/Registries.ts"

const strategy = {
  type: "canary",
  canary_percentage: 5,
  target_version: "v2",
  steps: [5, 25, 50, 100],
  analysis: { max_error_rate: 0.01 }
}

const versions = { v1: { path: "x" }, v2: { path: "y" }, v3: { path: "z" } }

const planFor = (changes: object = {}, model: object = {}): RolloutPlan => {
  const registry = registryOf({
    m: { default_version: "v1", versions, rollout_strategy: { ...strategy, ...changes }, ...model }
  })
  const plan = planOf(registry.models[0]!)
  assert.isDefined(plan)
  return plan
}

const shadow = { type: "shadow", shadow_percentage: 5 }
const plan = planFor()
const begun = beginRollout(plan, 1_000, 0)
const act = (state: RolloutState, action: RolloutAction, of = plan) => applyAction(of, state, action, "alice", 2_000)
const done = (state: RolloutState, action: RolloutAction, of = plan) => Result.getOrThrow(act(state, action, of))
const refusal = (state: RolloutState, action: RolloutAction) => {
  const result = act(state, action)
  return Result.isFailure(result) ? result.failure.message : ""
}
const judged = (state: RolloutState, decision: Verdict["decision"], of = plan) =>
  applyVerdict(of, state, { decision, reason: "because" }, {}, 3_000)

describe("planOf", () => {
  it("gives a rollout an identity by what it rolls out and how, and not by its gates", () => {
    const others = [
      planFor({ canary_percentage: 6 }),
      planFor({ target_version: "v3" }),
      planFor({ steps: [5, 100] }),
      planFor(shadow),
      planFor({}, { default_version: "v3" }),
      planFor({}, { versions: { ...versions, v1: { path: "other" } } }),
      planFor({}, { versions: { ...versions, v2: { path: "y", precision: "int8" } } })
    ]
    const ids = new Set([plan, ...others].map(({ rolloutId }) => rolloutId))
    assert.strictEqual(ids.size, others.length + 1)
    assert.strictEqual(planFor({ analysis: { min_agreement: 0.5, interval: 7 } }).rolloutId, plan.rolloutId)
    assert.strictEqual(planFor({ analysis: undefined }).rolloutId, plan.rolloutId)
    const alike = { ...versions, v2: { path: "y", description: "d", instances: 2 }, v3: { path: "other" } }
    assert.strictEqual(planFor({}, { versions: alike }).rolloutId, plan.rolloutId)
  })

  it("has gates only where an analysis is asked for, and keeps inputs only where they are", () => {
    assert.isUndefined(planFor({ analysis: undefined }).gates)
    assert.deepStrictEqual(planFor({ analysis: {} }).gates, {
      maxErrorRate: undefined,
      maxP50Ratio: undefined,
      maxP99Ratio: undefined,
      minAgreement: undefined,
      minRequests: 100,
      intervalMs: 60_000
    })
    assert.isFalse(plan.keepInputs)
    assert.isTrue(planFor({ analysis: { examples: "full" } }).keepInputs)
  })

  it("is of canaries and shadows only", () => {
    const [model] = registryOf({ m: { default_version: "v1", versions: { v1: { path: "x" } } } }).models
    assert.isUndefined(planOf(model!))
  })
})

describe("the controller's decisions", () => {
  it("advance through the steps to the target, each counted anew", () => {
    let state = begun
    const path: Array<unknown> = [[state.phase, state.percentage, state.step]]
    for (let next = judged(state, "advance"); next !== undefined; next = judged(state, "advance")) {
      assert.strictEqual(next.stepStartedAt, 3_000)
      state = next
      path.push([state.phase, state.percentage, state.step])
    }
    assert.deepStrictEqual(path, [
      ["running", 5, 0],
      ["running", 25, 1],
      ["running", 50, 2],
      ["running", 100, 3],
      ["promoted", 100, 4]
    ])
    assert.deepStrictEqual(state.decisions.map(({ decision }) => decision), [
      "promote",
      "advance",
      "advance",
      "advance"
    ])
  })

  it("send all traffic back, with the reason", () => {
    const back = judged(begun, "roll_back")
    assert.deepInclude(back, { phase: "rolled_back", percentage: 0, step: 1, revision: begun.revision + 1 })
    assert.deepStrictEqual(back?.decisions[0], {
      at: "1970-01-01T00:00:03.000Z",
      by: "controller",
      decision: "roll_back",
      percentage: 0,
      reason: "because"
    })
  })

  it("go beyond no step that the operator named: a canary whose steps end below 100 stays there", () => {
    const short = planFor({ steps: [5, 50] })
    const atFifty = judged(beginRollout(short, 0, 0), "advance", short)!
    assert.isTrue(isAtLastStep(short, atFifty))
    assert.isUndefined(judged(atFifty, "advance", short))
    const without = planFor({ steps: undefined })
    assert.isUndefined(judged(beginRollout(without, 0, 0), "advance", without))
  })

  it("let a shadow pass, that goes on as it is", () => {
    const plan = planFor({ ...shadow, steps: [5, 20] })
    const more = judged(beginRollout(plan, 0, 0), "advance", plan)!
    const passed = judged(more, "advance", plan)!
    assert.deepInclude(passed, { phase: "passed", percentage: 20, step: more.step })
    assert.deepStrictEqual(routingOf(plan, passed), { type: "shadow", targetVersion: "v2", percentage: 20 })
  })

  it("are made while it runs only", () => {
    const states = [
      done(begun, { action: "pause" }),
      done(begun, { action: "promote" }),
      done(begun, { action: "rollback" })
    ]
    for (const state of states) {
      assert.isUndefined(judged(state, "advance"))
      assert.isUndefined(judged(state, "roll_back"))
    }
    assert.isUndefined(judged(begun, "hold"))
  })
})

describe("an operator's actions", () => {
  const paused = done(begun, { action: "pause" })
  const promoted = done(begun, { action: "promote" })
  const back = done(begun, { action: "rollback" })

  it("pause and resume without moving traffic or forgetting what was counted", () => {
    const { percentage, step, stepStartedAt } = begun
    assert.deepInclude(paused, { phase: "paused", percentage, step, stepStartedAt })
    assert.deepInclude(done(paused, { action: "resume" }), { phase: "running", percentage, step, stepStartedAt })
  })

  it("route all traffic to the target, or none", () => {
    assert.deepStrictEqual(routingOf(plan, promoted), { type: "canary", targetVersion: "v2", percentage: 100 })
    assert.deepStrictEqual(routingOf(plan, back), { type: "canary", targetVersion: "v2", percentage: 0 })
    const plannedShadow = planFor(shadow)
    const promotedShadow = done(beginRollout(plannedShadow, 0, 0), { action: "promote" }, plannedShadow)
    assert.deepStrictEqual(routingOf(plannedShadow, promotedShadow), {
      type: "canary",
      targetVersion: "v2",
      percentage: 100
    })
  })

  it("set a percentage, which starts what was over again and leaves a pause a pause", () => {
    for (const state of [begun, promoted, back]) {
      assert.deepInclude(done(state, { action: "set_percentage", percentage: 30 }), {
        phase: "running",
        percentage: 30,
        step: state.step + 1,
        stepStartedAt: 2_000
      })
    }
    assert.strictEqual(done(paused, { action: "set_percentage", percentage: 30 }).phase, "paused")
    const next = judged(done(begun, { action: "set_percentage", percentage: 30 }), "advance")
    assert.strictEqual(next?.percentage, 50, "the step after 30")
  })

  it("take a promoted target back", () => {
    assert.deepInclude(done(promoted, { action: "rollback" }), { phase: "rolled_back", percentage: 0 })
  })

  it("are refused in a sentence where they make no sense", () => {
    assert.include(refusal(back, { action: "promote" }), "is rolled back: set a percentage to try the target again")
    assert.include(refusal(promoted, { action: "pause" }), "is promoted: it decides nothing")
    assert.include(refusal(back, { action: "resume" }), "is rolled back: set a percentage")
  })

  const anyAction = fc.oneof(
    fc.constantFrom<RolloutAction>(
      { action: "pause" },
      { action: "resume" },
      { action: "promote" },
      { action: "rollback" }
    ),
    fc.integer({ min: 0, max: 100 }).map((percentage): RolloutAction => ({ action: "set_percentage", percentage }))
  )
  const anyEvent = fc.oneof(anyAction, fc.constantFrom<Verdict["decision"]>("hold", "advance", "roll_back"))

  it("in any order, mixed with the controller's decisions, leave a state that holds together", () => {
    fc.assert(fc.property(fc.array(anyEvent, { maxLength: 80 }), (events) => {
      let state = begun
      for (const event of events) {
        const next = typeof event === "string"
          ? judged(state, event) ?? state
          : Result.getOrElse(act(state, event), () => state)
        if (next === state) continue
        assert.strictEqual(next.revision, state.revision + 1)
        const moved = next.percentage !== state.percentage
        if (moved) assert.strictEqual(next.step, state.step + 1)
        assert.isAtMost(next.decisions.length, 50)
        state = next
        if (state.phase === "promoted") assert.strictEqual(state.percentage, 100)
        if (state.phase === "rolled_back") assert.strictEqual(state.percentage, 0)
        if (typeof event !== "string") assert.strictEqual(done(state, event), state, "asked twice is asked once")
      }
      const json = Schema.fromJsonString(RolloutState)
      assert.deepStrictEqual(Schema.decodeSync(json)(Schema.encodeSync(json)(state)), state)
    }))
  })
})
