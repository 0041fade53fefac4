import { assert, describe, it } from "@effect/vitest"
import type { MetricFamily, MetricsSnapshot } from "@sluice/core/telemetry/MetricsSnapshot"
import { MetricsCollector } from "@sluice/server/cluster/MetricsCollector"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"

const family = (type: string, name: string, value: number): MetricFamily => ({
  name,
  help: "",
  type,
  aggregator: "sum",
  values: [{ labels: {}, value }]
})

const numbers = (requests: number, waiting: number): MetricsSnapshot => [
  family("counter", "requests", requests),
  family("gauge", "waiting", waiting)
]

/** Everything added up. */
const sumsOf = (snapshots: ReadonlyArray<MetricsSnapshot>): Readonly<Record<string, number>> => {
  const sums: Record<string, number> = {}
  for (const { name, values } of snapshots.flat()) {
    for (const { value } of values) sums[name] = (sums[name] ?? 0) + value
  }
  return sums
}

/** Processes that answer with what they have, as long as they have something. */
const collectorOf = (answers: Record<string, MetricsSnapshot | undefined>) => {
  const collector: MetricsCollector<string> = new MetricsCollector((name, id) => {
    const answer = answers[name]
    if (answer !== undefined) collector.answered(name, id, answer)
  })
  for (const name of Object.keys(answers)) collector.started(name)
  return { collector, sums: Effect.map(collector.collect, sumsOf) }
}

describe("MetricsCollector", () => {
  it.effect("has what every process has, and how many they are", () =>
    Effect.gen(function*() {
      const { sums } = collectorOf({ a: numbers(3, 1), b: numbers(4, 2) })
      assert.deepStrictEqual(yield* sums, {
        sluice_processes_reporting: 2,
        sluice_process_restarts_total: 0,
        requests: 7,
        waiting: 3
      })
    }))

  it.effect("goes on after a second without one that does not answer, except for what it had counted", () =>
    Effect.gen(function*() {
      const answers: Record<string, MetricsSnapshot | undefined> = { a: numbers(3, 1), b: numbers(4, 2) }
      const { sums } = collectorOf(answers)
      yield* sums
      answers["b"] = undefined
      const scrape = yield* Effect.forkChild(sums, { startImmediately: true })
      yield* TestClock.adjust("999 millis")
      assert.isUndefined(scrape.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(yield* Fiber.join(scrape), { sluice_processes_reporting: 1, requests: 7, waiting: 1 })
    }))

  it.effect("keeps what a process had counted that ended, and not the state it was in", () =>
    Effect.gen(function*() {
      const answers = { a: numbers(3, 1), b: numbers(4, 2) }
      const { collector, sums } = collectorOf(answers)
      yield* sums
      collector.ended("b")
      assert.deepInclude(yield* sums, { sluice_processes_reporting: 1, requests: 7, waiting: 1 })
      collector.restarted()
      collector.started("b")
      answers.b = numbers(10, 5)
      assert.deepInclude(yield* sums, {
        sluice_processes_reporting: 2,
        sluice_process_restarts_total: 1,
        requests: 17,
        waiting: 6
      })
      collector.ended("b")
      assert.deepInclude(yield* sums, { requests: 17 })
    }))

  it.effect("takes no answer that comes too late, or from one that has ended", () =>
    Effect.gen(function*() {
      const asked: Array<number> = []
      const collector = new MetricsCollector<string>((_, id) => asked.push(id))
      collector.started("a")
      const late = yield* Effect.forkChild(collector.collect, { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(sumsOf(yield* Fiber.join(late))["sluice_processes_reporting"], 0)
      for (const id of asked) collector.answered("a", id, numbers(9, 9))
      const next = yield* Effect.forkChild(collector.collect, { startImmediately: true })
      collector.ended("a")
      for (const id of asked) collector.answered("a", id, numbers(9, 9))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(sumsOf(yield* Fiber.join(next))["requests"])
    }))
})
