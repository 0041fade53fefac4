import { assert, describe, it } from "@effect/vitest"
import type { Priority } from "@sluice/domain/PredictRequest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as fc from "fast-check"
import { openQueue, rowOf, scenario, short } from "./BatcherScenario.ts"
import { doubled, failure, makeInstances, valuesOf } from "./Instances.ts"

describe("Batcher", () => {
  describe("under any interleaving", () => {
    interface Caller {
      readonly arrivesMs: number
      /** Undefined: it stays. */
      readonly leavesAfterMs: number | undefined
      readonly priority: Priority
      readonly poisoned: ReadonlyArray<boolean>
    }

    const callers: fc.Arbitrary<ReadonlyArray<Caller>> = fc.array(
      fc.record({
        arrivesMs: fc.integer({ min: 0, max: 30 }),
        leavesAfterMs: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined, freq: 3 }),
        priority: fc.constantFrom<Priority>("high", "normal", "low"),
        poisoned: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 })
      }),
      { maxLength: 12 }
    )

    const setting = fc.record({
      instances: fc.integer({ min: 1, max: 3 }),
      maxBatchSize: fc.integer({ min: 1, max: 6 }),
      windowMs: fc.constantFrom(0, 4)
    })

    /** Values tell their caller and place; the odd ones are poison. */
    const valueOf = (caller: number, place: number, poison: boolean) => 1000 * caller + 10 * place + (poison ? 1 : 0)

    const run = (all: ReadonlyArray<Caller>, options: { instances: number; maxBatchSize: number; windowMs: number }) =>
      scenario(Effect.gen(function*() {
        const instances = yield* makeInstances(options.instances, (inputs) => {
          const values = valuesOf(inputs, "x")
          const outcome = values.some((value) => value % 2 === 1)
            ? Effect.fail(failure)
            : Effect.succeed(doubled(inputs))
          return Effect.andThen(Effect.sleep(1 + (values[0] ?? 0) % 7), outcome)
        })
        const { meters, submit } = yield* openQueue(instances, options)
        const fibers = yield* Effect.forEach(
          all,
          ({ arrivesMs, leavesAfterMs, poisoned, priority }, caller) =>
            Effect.sleep(arrivesMs).pipe(
              Effect.andThen(submit(poisoned.map((poison, place) => rowOf(valueOf(caller, place, poison))), priority)),
              leavesAfterMs === undefined ? Effect.asSome : Effect.timeoutOption(leavesAfterMs),
              Effect.forkChild
            )
        )
        let overlapping = 0
        for (let ms = 0; ms < 2000; ms++) {
          yield* TestClock.adjust(1)
          overlapping = Math.max(overlapping, ...instances.running)
        }
        const answers = yield* Effect.forEach(fibers, Fiber.join)
        return { answers, batches: instances.batches, overlapping, waiting: meters.waiting }
      }))

    it("gives each caller its own answers, computes nothing twice, and ends with an empty queue", () =>
      fc.assert(
        fc.asyncProperty(callers, setting, async (all, options) => {
          const { answers, batches, overlapping, waiting } = await Effect.runPromise(
            Effect.provide(run(all, options), TestClock.layer())
          )
          assert.strictEqual(waiting, 0)
          assert.isAtMost(overlapping, 1)
          all.forEach(({ leavesAfterMs, poisoned }, caller) => {
            const answer = answers[caller]
            if (answer === undefined || answer._tag === "None") return assert.isDefined(leavesAfterMs)
            const expected = poisoned.map((poison, place) =>
              poison ? "ModelFailed" : [2 * valueOf(caller, place, poison)]
            )
            assert.deepStrictEqual(short(answer.value), expected)
          })
          assert.isAtMost(Math.max(0, ...batches.map((batch) => batch.length)), options.maxBatchSize)
          const clean = batches.filter((batch) => batch.every((value) => value % 2 === 0)).flat()
          assert.strictEqual(new Set(clean).size, clean.length)
        }),
        { numRuns: 40 }
      ), 30_000)
  })
})
