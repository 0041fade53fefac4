/**
 * What every RolloutStore does, whatever it keeps rollouts in.
 */
import { assert, type it } from "@effect/vitest"
import { emptyCounts, type RolloutCounts } from "@sluice/core/rollout/RolloutCounts"
import type { RolloutState } from "@sluice/core/rollout/RolloutState"
import { RolloutStore } from "@sluice/core/rollout/RolloutStore"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"

export interface RolloutStoreUnderTest {
  /** An empty store, each time it is built. */
  readonly layer: Layer.Layer<RolloutStore>
  readonly run: typeof it.effect
}

export const stateOf = (revision: number, changes: Partial<RolloutState> = {}): RolloutState => ({
  rolloutId: "0123456789abcdef",
  phase: "running",
  percentage: 12.5,
  step: 3,
  stepStartedAt: 1_234.5,
  revision,
  decisions: [{ at: "2026-11-21T20:00:00.000Z", by: "日本", decision: "advance", percentage: 12.5, reason: "" }],
  ...changes
})

export const countsOf = (requests: number): RolloutCounts => ({
  ...emptyCounts,
  target: { requests, errors: 1, latency: [7, requests] },
  comparison: {
    ...emptyCounts.comparison,
    maxAbs: 0.25,
    examples: [{ default: "a", target: "b", max_abs_distance: null }]
  }
})

const requests = (reports: ReadonlyArray<RolloutCounts>) =>
  reports.map(({ target }) => target.requests).sort((a, b) => a - b)

export const rolloutStoreConformance = ({ layer, run }: RolloutStoreUnderTest): void => {
  const test = (name: string, body: Effect.Effect<void, unknown, RolloutStore>) =>
    run(name, () => body.pipe(Effect.provide(layer)))

  test(
    "has nothing of a model that it was told nothing of",
    Effect.gen(function*() {
      const store = yield* RolloutStore
      assert.isUndefined(yield* store.read("m"))
      assert.deepStrictEqual(yield* store.reports("m", "r", 0), [])
    })
  )

  test(
    "keeps a state as it is, a model each",
    Effect.gen(function*() {
      const store = yield* RolloutStore
      assert.isTrue(yield* store.write("m", undefined, stateOf(1)))
      assert.isTrue(yield* store.write("m.x", undefined, stateOf(1, { phase: "paused" })))
      assert.deepStrictEqual(yield* store.read("m"), stateOf(1))
      assert.deepStrictEqual(yield* store.read("m.x"), stateOf(1, { phase: "paused" }))
    })
  )

  test(
    "takes a state only in place of the one that was expected",
    Effect.gen(function*() {
      const store = yield* RolloutStore
      assert.isFalse(yield* store.write("m", 1, stateOf(2)))
      assert.isTrue(yield* store.write("m", undefined, stateOf(1)))
      assert.isFalse(yield* store.write("m", undefined, stateOf(1, { percentage: 99 })))
      assert.isTrue(yield* store.write("m", 1, stateOf(2)))
      assert.isFalse(yield* store.write("m", 1, stateOf(2, { percentage: 99 })))
      assert.deepStrictEqual(yield* store.read("m"), stateOf(2))
    })
  )

  test(
    "lets one of many writers win, each time",
    Effect.gen(function*() {
      const store = yield* RolloutStore
      for (let revision = 1; revision <= 30; revision++) {
        const expected = revision === 1 ? undefined : revision - 1
        const won = yield* Effect.forEach(
          Array.from({ length: 8 }, (_, writer) => writer),
          (writer) => store.write("m", expected, stateOf(revision, { percentage: writer })),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(won.filter((each) => each), 1)
        assert.strictEqual((yield* store.read("m"))?.percentage, won.indexOf(true))
      }
    })
  )

  test(
    "gives what each process reported last of a step",
    Effect.gen(function*() {
      const store = yield* RolloutStore
      yield* store.report("m", "r", 1, "a", countsOf(1))
      yield* store.report("m", "r", 1, "b", countsOf(10))
      yield* store.report("m", "r", 1, "a", countsOf(3))
      assert.deepStrictEqual(requests(yield* store.reports("m", "r", 1)), [3, 10])
      assert.deepInclude(yield* store.reports("m", "r", 1), countsOf(3))
    })
  )

  test(
    "keeps steps, rollouts and models apart",
    Effect.gen(function*() {
      const store = yield* RolloutStore
      yield* store.write("m", undefined, stateOf(1, { rolloutId: "r", step: 1 }))
      yield* store.report("m", "r", 1, "a", countsOf(5))
      assert.deepStrictEqual(yield* store.reports("m", "r", 2), [])
      assert.deepStrictEqual(yield* store.reports("m", "q", 1), [])
      assert.deepStrictEqual(yield* store.reports("n", "r", 1), [])
      yield* store.write("m", 1, stateOf(2, { rolloutId: "r", step: 2 }))
      yield* store.report("m", "r", 2, "a", countsOf(6))
      assert.deepStrictEqual(requests(yield* store.reports("m", "r", 2)), [6])
    })
  )

  test(
    "keeps what was counted in a step when the state changes within it",
    Effect.gen(function*() {
      const store = yield* RolloutStore
      yield* store.write("m", undefined, stateOf(1, { rolloutId: "r", step: 1 }))
      yield* store.report("m", "r", 1, "a", countsOf(5))
      yield* store.write("m", 1, stateOf(2, { rolloutId: "r", step: 1, phase: "paused" }))
      assert.deepStrictEqual(requests(yield* store.reports("m", "r", 1)), [5])
    })
  )
}
