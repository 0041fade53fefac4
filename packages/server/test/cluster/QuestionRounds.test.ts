import { assert, describe, it } from "@effect/vitest"
import type { Answer, Question } from "@sluice/server/cluster/ClusterMessages"
import { type Asked, QuestionRounds } from "@sluice/server/cluster/QuestionRounds"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

interface Process extends Asked {
  /** Undefined: it says nothing. */
  readonly says: ((question: Question) => Answer) | undefined
}

const processOf = (number: number, more: Partial<Process> = {}): Process => ({
  number,
  listensFirst: true,
  isReady: () => true,
  ended: Deferred.makeUnsafe(),
  says: () => ({ _tag: "Done", count: number }),
  ...more
})

const rounds = () => {
  const made: QuestionRounds<Process> = new QuestionRounds((process, id, question) => {
    if (process.says !== undefined) made.answered(process, id, process.says(question))
  })
  return made
}

const load: Question = { _tag: "Load", model: "iris", version: undefined }
const done = (count: number): Answer => ({ _tag: "Done", count })
const ready: Answer = { _tag: "IsReady", readiness: { ready: true, parts: [] } }

describe("QuestionRounds", () => {
  it.effect("gathers what each process says", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* rounds().ask([processOf(1), processOf(3)], load), [
        { process: 1, answer: done(1) },
        { process: 3, answer: done(3) }
      ])
      assert.deepStrictEqual(yield* rounds().ask([], load), [])
    }))

  it.effect("goes without one that is silent when its time is over, and not before", () =>
    Effect.gen(function*() {
      const asking = yield* Effect.forkChild(rounds().ask([processOf(1), processOf(2, { says: undefined })], load), {
        startImmediately: true
      })
      yield* TestClock.adjust("119 seconds")
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(asking), [
        { process: 1, answer: done(1) },
        { process: 2, answer: "silent" }
      ])
    }))

  it.effect("goes without one that ends meanwhile, at once", () =>
    Effect.gen(function*() {
      const process = processOf(2, { says: undefined })
      const asking = yield* Effect.forkChild(rounds().ask([process], load), { startImmediately: true })
      yield* Deferred.succeed(process.ended, "killed")
      assert.deepStrictEqual(yield* Fiber.join(asking), [{ process: 2, answer: "ended" }])
    }))

  it.effect("takes no answer from another process than was asked", () =>
    Effect.gen(function*() {
      const [one, other] = [processOf(1, { says: undefined }), processOf(2, { says: undefined })]
      const asked = new QuestionRounds<Process>((_, id) => asked.answered(other, id, done(7)))
      const asking = yield* Effect.forkChild(asked.ask([one], { _tag: "Readiness" }), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(asking), [{ process: 1, answer: "silent" }])
    }))

  it.effect("counts the readiness of those that take requests: of all at the start, and of replacements when they are ready", () =>
    Effect.gen(function*() {
      const says = () => ready
      const loading = { isReady: () => false, says: undefined }
      assert.deepStrictEqual(
        yield* rounds().ask([
          processOf(1, { says }),
          processOf(2, loading),
          processOf(3, { ...loading, listensFirst: false }),
          processOf(4, { says, listensFirst: false })
        ], { _tag: "Readiness" }),
        [
          { process: 1, answer: ready },
          { process: 2, answer: "starting" },
          { process: 4, answer: ready }
        ]
      )
    }))
})
