import { assert, beforeEach, describe, it } from "@effect/vitest"
import { RolloutStore, RolloutStoreError } from "@sluice/core/rollout/RolloutStore"
import { layerMemory } from "@sluice/core/rollout/RolloutStoreMemory"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { byHand, canary, process, quiet, recorder, sameTraffic, serve, standing } from "./RolloutProcesses.ts"

beforeEach(sameTraffic)

describe("Rollouts without their store", () => {
  /** A store that can be away, over one in memory. */
  const unsteady = (isAway: () => boolean) =>
    Layer.effect(
      RolloutStore,
      Effect.map(RolloutStore, (store) => {
        const unless =
          (operation: RolloutStoreError["operation"]) => <A>(effect: Effect.Effect<A, RolloutStoreError>) =>
            Effect.suspend(() =>
              isAway() ? Effect.fail(new RolloutStoreError({ operation, cause: new Error("gone") })) : effect
            )
        return RolloutStore.of({
          read: (...args) => unless("read")(store.read(...args)),
          write: (...args) => unless("write")(store.write(...args)),
          report: (...args) => unless("report")(store.report(...args)),
          reports: (...args) => unless("reports")(store.reports(...args))
        })
      })
    ).pipe(Layer.provide(Layer.fresh(layerMemory)))

  it.effect("go on as they were known, decide nothing, say so once, and go on deciding when it is back", () => {
    let isAway = false
    const { layer, lines } = recorder()
    return Effect.gen(function*() {
      const one = yield* process(canary({ canary_percentage: 10 }))
      yield* serve([one], 10)
      isAway = true
      yield* serve([one], 40, { errorRate: 0.2 })
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 10 })
      assert.strictEqual(yield* standing(one), "running 10")
      const refused = yield* Effect.flip(one.rollouts.act("m", { action: "promote" }, "alice", undefined))
      assert.include(refused.message, "nothing was changed")
      assert.lengthOf(lines, 1)
      isAway = false
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* standing(one), "rolled_back 0")
      assert.include(lines[1], "answers again")
    }).pipe(Effect.scoped, Effect.provide([unsteady(() => isAway), layer]))
  })

  it.effect("wait a moment at start for a store that is about to come", () => {
    let isAway = true
    const { layer, lines } = recorder()
    return Effect.gen(function*() {
      const starting = yield* Effect.forkChild(process(byHand), { startImmediately: true })
      yield* TestClock.adjust("100 millis")
      isAway = false
      yield* TestClock.adjust("100 millis")
      const one = yield* Fiber.join(starting)
      assert.deepStrictEqual(one.rollouts.routing("m"), { type: "canary", targetVersion: "v2", percentage: 5 })
      assert.deepStrictEqual(lines, [])
    }).pipe(Effect.scoped, Effect.provide([unsteady(() => isAway), layer]))
  })

  it.effect("send no traffic to a target of which it is not known whether it was rolled back", () => {
    let isAway = false
    return Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const before = yield* process(byHand)
        yield* before.rollouts.act("m", { action: "rollback" }, "alice", undefined)
      }))
      isAway = true
      const starting = yield* Effect.forkChild(process(byHand), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      const after = yield* Fiber.join(starting)
      assert.deepStrictEqual(after.rollouts.routing("m"), { type: "pinned" })
      isAway = false
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* standing(after), "rolled_back 0")
    }).pipe(Effect.scoped, Effect.provide([unsteady(() => isAway), quiet]))
  })
})
