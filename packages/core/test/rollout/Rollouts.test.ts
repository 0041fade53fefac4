import { assert, beforeEach, describe, it } from "@effect/vitest"
import { assignVersion } from "@sluice/core/rollout/Assignment"
import type { RolloutStore } from "@sluice/core/rollout/RolloutStore"
import { layerMemory } from "@sluice/core/rollout/RolloutStoreMemory"
import type { RolloutAction } from "@sluice/domain/RolloutStatus"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { byHand, canary, modelsWith, process, quiet, sameTraffic, serve, standing } from "./RolloutProcesses.ts"

beforeEach(sameTraffic)

const test = (name: string, body: Effect.Effect<void, unknown, RolloutStore | Scope.Scope>) =>
  it.effect(name, () => body.pipe(Effect.scoped, Effect.provide([Layer.fresh(layerMemory), quiet])))

describe("Rollouts", () => {
  test(
    "takes a good target through its steps to all traffic, an interval each",
    Effect.gen(function*() {
      const one = yield* process()
      const path: Array<string> = []
      for (let second = 0; second < 140; second++) {
        const now = yield* standing(one)
        if (path.at(-1) !== now) path.push(now)
        yield* serve([one], 1, { errorRate: 0.001, disagreement: 0.01 })
      }
      assert.deepStrictEqual(path, ["running 5", "running 25", "running 50", "running 100", "promoted 100"])
      assert.deepStrictEqual(one.decided.map(({ decision }) => [decision.decision, decision.by, decision.percentage]), [
        ["advance", "controller", 25],
        ["advance", "controller", 50],
        ["advance", "controller", 100],
        ["promote", "controller", 100]
      ])
      const { decision } = one.decided[0]!
      assert.isAtLeast(decision.target?.requests ?? 0, 100)
      assert.isAtLeast(decision.comparison?.items ?? 0, 100)
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 100 })
    })
  )

  for (
    const [name, target] of [
      ["fails 5 % of its requests", { errorRate: 0.05 }],
      ["is three times slower", { slower: 3 }],
      ["answers 20 % otherwise", { disagreement: 0.2 }]
    ] as const
  ) {
    test(
      `sends all traffic back from a target that ${name}, within the interval`,
      Effect.gen(function*() {
        const one = yield* process(canary({ canary_percentage: 10 }))
        yield* serve([one], 30, target)
        assert.strictEqual(yield* standing(one), "rolled_back 0")
        assert.deepStrictEqual(one.decided.map(({ decision }) => decision.decision), ["roll_back"])
        assert.isDefined(one.decided[0]?.decision.target)
        assert.strictEqual(assignVersion("m", "v1", one.rollouts.routing("m")!, "anyone"), "v1")
        yield* serve([one], 60)
        assert.strictEqual(yield* standing(one), "rolled_back 0", "it stays so")
      })
    )
  }

  test(
    "decides nothing on too few requests, however long it waits",
    Effect.gen(function*() {
      const one = yield* process()
      for (let request = 0; request < 99; request++) one.rollouts.monitor("m")?.record("target", 1_000, true)
      yield* TestClock.adjust("20 minutes")
      assert.strictEqual(yield* standing(one), "running 5")
    })
  )

  test(
    "decides nothing while it is paused, goes on counting, and decides when it is resumed",
    Effect.gen(function*() {
      const one = yield* process()
      yield* one.rollouts.act("m", { action: "pause" }, "alice", undefined)
      yield* serve([one], 40, { errorRate: 0.5 })
      assert.strictEqual(yield* standing(one), "paused 5")
      yield* one.rollouts.act("m", { action: "resume" }, "alice", undefined)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* standing(one), "rolled_back 0")
    })
  )

  test(
    "moves by hand only where no analysis is asked for, and counts all the same",
    Effect.gen(function*() {
      const one = yield* process(byHand)
      yield* serve([one], 100, { errorRate: 1 })
      assert.strictEqual(yield* standing(one), "running 5")
      const { target } = yield* one.rollouts.status("m")
      assert.isAbove(target?.errors ?? 0, 500)
      yield* one.rollouts.act("m", { action: "set_percentage", percentage: 40 }, "alice", undefined)
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 40 })
      assert.strictEqual((yield* one.rollouts.status("m")).target?.requests, 0, "the next step is counted anew")
    })
  )

  test(
    "lets a shadow pass that met its gates",
    Effect.gen(function*() {
      const one = yield* process(canary({ type: "shadow", shadow_percentage: 10, steps: undefined }))
      yield* serve([one], 40)
      assert.strictEqual(yield* standing(one), "passed 10")
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "shadow", targetVersion: "v2", percentage: 10 })
    })
  )

  test(
    "goes on where it stood after a restart, and another process stands there too",
    Effect.gen(function*() {
      const before = yield* Effect.scoped(Effect.gen(function*() {
        const one = yield* process()
        yield* serve([one], 45)
        return yield* one.rollouts.status("m")
      }))
      assert.strictEqual(before.percentage, 25)
      const after = yield* process()
      const status = yield* after.rollouts.status("m")
      assert.deepInclude(status, { percentage: 25, phase: "running", revision: before.revision })
      assert.deepStrictEqual(status.target, before.target, "what was counted before counts")
      assert.deepStrictEqual(after.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 25 })
    })
  )

  test(
    "makes each decision once with several processes, on what all of them saw",
    Effect.gen(function*() {
      const processes = [yield* process(), yield* process(), yield* process()]
      yield* serve(processes, 150)
      for (const each of processes) assert.strictEqual(yield* standing(each), "promoted 100")
      const decided = processes.flatMap(({ decided }) => decided)
      assert.sameMembers(decided.map(({ decision }) => `${decision.decision} ${decision.percentage}`), [
        "advance 25",
        "advance 50",
        "advance 100",
        "promote 100"
      ])
      const first = decided.find(({ decision }) => decision.percentage === 25)!.decision
      // 200 a second for 30 s, of which no process saw more than a third.
      assert.isAbove((first.default?.requests ?? 0) + (first.target?.requests ?? 0), 5_000)
    })
  )

  test(
    "tells the other processes of an operator's action within two seconds",
    Effect.gen(function*() {
      const one = yield* process(byHand)
      const other = yield* process(byHand)
      yield* one.rollouts.act("m", { action: "rollback" }, "alice", undefined)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(other.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 0 })
      assert.deepStrictEqual(one.decided.map(({ decision }) => [decision.by, decision.decision]), [[
        "alice",
        "roll_back"
      ]])
      assert.deepStrictEqual(other.decided, [], "an audit log has it once")
    })
  )

  test(
    "acts on the expected revision only, and asked twice acts once",
    Effect.gen(function*() {
      const one = yield* process(byHand)
      const other = yield* process(byHand)
      const { revision } = yield* one.rollouts.status("m")
      const pause: RolloutAction = { action: "pause" }
      const paused = yield* one.rollouts.act("m", pause, "alice", revision)
      assert.strictEqual(paused.revision, revision + 1)
      const late = yield* Effect.flip(other.rollouts.act("m", { action: "promote" }, "bob", revision))
      assert.deepInclude(late, { _tag: "RevisionConflict", current: `"${revision + 1}"` })
      assert.strictEqual((yield* other.rollouts.act("m", pause, "bob", undefined)).revision, revision + 1)
      assert.lengthOf((yield* other.rollouts.status("m")).decisions, 1)
    })
  )

  test(
    "refuses what makes no sense, and knows no model that is not configured",
    Effect.gen(function*() {
      const one = yield* process(byHand)
      const act = (action: RolloutAction) => one.rollouts.act("m", action, "alice", undefined)
      yield* act({ action: "rollback" })
      assert.strictEqual((yield* Effect.flip(act({ action: "promote" })))._tag, "ChangeRefused")
      assert.strictEqual((yield* Effect.flip(one.rollouts.status("none")))._tag, "ModelNotFound")
      assert.isUndefined(one.rollouts.routing("none"))
      yield* one.rollouts.configure(modelsWith(undefined))
      const refused = yield* Effect.flip(act({ action: "pause" }))
      assert.include(refused.message, "its strategy is pinned")
    })
  )

  test(
    "follows an operator's edit of the registry: other gates go on, another percentage begins anew",
    Effect.gen(function*() {
      const one = yield* process()
      yield* serve([one], 40)
      const { revision } = yield* one.rollouts.status("m")
      yield* one.rollouts.configure(canary({ analysis: { max_error_rate: 0.5 } }))
      assert.strictEqual(yield* standing(one), "running 25")
      yield* one.rollouts.configure(canary({ canary_percentage: 15 }))
      const anew = yield* one.rollouts.status("m")
      assert.deepInclude(anew, { phase: "running", percentage: 15, decisions: [] })
      assert.isAbove(anew.revision, revision)
      yield* one.rollouts.configure([])
      assert.isUndefined(one.rollouts.routing("m"))
      assert.isUndefined(one.rollouts.monitor("m"))
    })
  )

  test(
    "routes models without a canary or a shadow by their strategy, and compares nothing there",
    Effect.gen(function*() {
      const one = yield* process(modelsWith(undefined))
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "pinned" })
      assert.isUndefined(one.rollouts.monitor("m"))
      yield* one.rollouts.configure(modelsWith({ type: "ab_test", weights: { v1: 30, v2: 70 } }))
      const routing = one.rollouts.routing("m")
      assert.deepStrictEqual(routing?.type === "ab_test" && [...routing.weights], [["v1", 30], ["v2", 70]])
      assert.isUndefined(one.rollouts.monitor("m"))
      assert.deepInclude(yield* one.rollouts.status("m"), { type: "ab_test", weights: { v1: 30, v2: 70 } })
    })
  )

  test(
    "lets a process with another registry neither decide nor begin again and again",
    Effect.gen(function*() {
      const former = yield* process(canary({ canary_percentage: 5 }))
      const newer = yield* process(canary({ canary_percentage: 15 }))
      yield* serve([former, newer], 20)
      assert.strictEqual(yield* standing(newer), "running 15")
      assert.strictEqual(former.rollouts.routing("m")?.type, "canary")
      const refused = yield* Effect.flip(former.rollouts.act("m", { action: "pause" }, "alice", undefined))
      assert.strictEqual(refused._tag, "ChangeRefused")
      yield* former.rollouts.configure(canary({ canary_percentage: 15 }))
      const [a, b] = [yield* former.rollouts.status("m"), yield* newer.rollouts.status("m")]
      assert.strictEqual(a.revision, b.revision)
    })
  )
})
