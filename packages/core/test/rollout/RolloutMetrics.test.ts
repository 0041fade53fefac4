import { assert, describe, it } from "@effect/vitest"
import { rolloutMetrics } from "@sluice/core/rollout/RolloutMetrics"
import { Rollouts } from "@sluice/core/rollout/Rollouts"
import { layerMemory } from "@sluice/core/rollout/RolloutStoreMemory"
import { Metrics, renderTogether } from "@sluice/core/telemetry/Metrics"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { byHand, canary, modelsWith, quiet } from "./RolloutProcesses.ts"

/** A process with a page of its own, on the store of the test. */
const process = (models = byHand) =>
  Effect.gen(function*() {
    const rollouts = yield* Rollouts
    const { snapshot } = yield* Metrics
    yield* rollouts.configure(models)
    return { rollouts, snapshot }
  }).pipe((built) =>
    Effect.flatMap(
      Layer.build(
        Layer.fresh(
          rolloutMetrics.pipe(
            Layer.provideMerge(Rollouts.layer),
            Layer.provideMerge(Metrics.layer({ enabled: true }))
          )
        )
      ),
      (context) => Effect.provide(built, context)
    )
  )
type Process = Effect.Success<ReturnType<typeof process>>

/** The series of rollouts that are not 0, on the page of these processes. */
const shown = Effect.fnUntraced(function*(...processes: ReadonlyArray<Process>) {
  const snapshots = yield* Effect.forEach(processes, ({ snapshot }) => snapshot)
  const { body } = yield* renderTogether(snapshots)
  return body.split("\n").filter((line) => line.startsWith("sluice_rollout_") && !line.endsWith(" 0"))
})

const run = Effect.provide([Layer.fresh(layerMemory), quiet])

describe("rollouts on the metrics page", () => {
  it.effect("are shown by phase, and by the share that the target has", () =>
    Effect.gen(function*() {
      const one = yield* process()
      assert.deepStrictEqual(yield* shown(one), [
        `sluice_rollout_phase{model="m",phase="running"} 1`,
        `sluice_rollout_target_ratio{model="m",version="v2"} 0.05`
      ])
      yield* one.rollouts.act("m", { action: "rollback" }, "alice", undefined)
      assert.deepStrictEqual(yield* shown(one), [
        `sluice_rollout_phase{model="m",phase="rolled_back"} 1`,
        `sluice_rollout_decisions_total{model="m",decision="roll_back"} 1`
      ])
    }).pipe(run))

  it.effect("have a zero for each decision before the first", () =>
    Effect.gen(function*() {
      const one = yield* process()
      const decisions = (yield* one.snapshot).find(({ name }) => name === "sluice_rollout_decisions_total")
      assert.deepStrictEqual(
        decisions?.values.map(({ labels, value }) => [labels["decision"], value]),
        ["advance", "promote", "pass", "roll_back", "pause", "resume", "set_percentage"].map((name) => [name, 0])
      )
    }).pipe(run))

  it.effect("of several processes stand in one place, and a decision counts once", () =>
    Effect.gen(function*() {
      const one = yield* process()
      const other = yield* process()
      yield* one.rollouts.act("m", { action: "set_percentage", percentage: 40 }, "alice", undefined)
      yield* other.rollouts.act("m", { action: "pause" }, "alice", undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* shown(one, other), [
        `sluice_rollout_phase{model="m",phase="paused"} 1`,
        `sluice_rollout_target_ratio{model="m",version="v2"} 0.4`,
        `sluice_rollout_decisions_total{model="m",decision="pause"} 1`,
        `sluice_rollout_decisions_total{model="m",decision="set_percentage"} 1`
      ])
    }).pipe(run))

  it.effect("leave the page with the registry's entry", () =>
    Effect.gen(function*() {
      const one = yield* process(canary())
      yield* one.rollouts.configure(modelsWith(undefined))
      assert.deepStrictEqual(yield* shown(one), [])
    }).pipe(run))
})
