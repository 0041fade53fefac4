import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import type { Freshness } from "../../src/cache/Freshness.ts"
import { PredictionCache } from "../../src/cache/PredictionCache.ts"
import { Metrics } from "../../src/telemetry/Metrics.ts"
import { type Compute, memory, model, namesOf, namespace, unasked } from "./CachedModel.ts"

const staleIfErrorMs = 3_600_000

/** As a model with an hour of `stale_if_error`, which "cannot answer" when it says so. */
const ask = (
  texts: ReadonlyArray<string>,
  compute: Compute,
  { freshness = {}, mode = "use" }: { freshness?: Freshness; mode?: "use" | "refresh" } = {}
) =>
  Effect.flatMap(PredictionCache, (cache) =>
    cache.resolve({
      namespace,
      inputs: texts.map((text) => ({ _tag: "Text" as const, text })),
      mode,
      freshness: { staleIfErrorMs, ...freshness },
      keepStaleMs: staleIfErrorMs,
      isUnavailable: (error) => error === "cannot answer",
      compute
    }))

const down: Compute = () => Effect.fail("cannot answer")
const downFor = (item: string): Compute => (indexes) => Effect.succeed(indexes.map(() => Result.fail(item)))

/** Has answers for these, all past their time. */
const past = Effect.fnUntraced(function*(texts: ReadonlyArray<string>) {
  yield* ask(texts, model().compute(texts))
  yield* TestClock.adjust("12 minutes")
})

describe("PredictionCache, when the model cannot answer", () => {
  it.effect("gives what is past its time, says so, and says how old it is", () =>
    Effect.gen(function*() {
      yield* past(["a", "b"])
      const whole = yield* ask(["a", "b"], down)
      assert.deepStrictEqual([namesOf(whole.outcomes), whole.stale], [["A", "B"], [true, true]])
      assert.deepStrictEqual([whole.status, whole.hits, whole.ageMs], ["hit", [true, true], 720_000])
      const each = yield* ask(["b"], downFor("cannot answer"))
      assert.deepStrictEqual([namesOf(each.outcomes), each.stale], [["B"], [true]])
    }).pipe(Effect.provide(memory())))

  it.effect("computes where the model can answer, and keeps that", () =>
    Effect.gen(function*() {
      yield* past(["a"])
      const { compute, computed } = model()
      const again = yield* ask(["a"], compute(["a"]))
      assert.deepStrictEqual([again.status, again.stale, again.ageMs], ["miss", [false], undefined])
      assert.deepStrictEqual(computed, [["a"]])
      yield* Effect.yieldNow
      assert.deepStrictEqual((yield* ask(["a"], unasked)).stale, [false])
    }).pipe(Effect.provide(memory())))

  it.effect("fails only those that it has no answer for", () =>
    Effect.gen(function*() {
      yield* past(["a"])
      const { hits, outcomes, stale, status } = yield* ask(["new", "a", "new"], down)
      assert.deepStrictEqual(namesOf(outcomes), ["failed: cannot answer", "A", "failed: cannot answer"])
      assert.deepStrictEqual([hits, stale, status], [[false, true, false], [false, true, false], "partial"])
      assert.strictEqual(yield* Effect.flip(ask(["new"], down)), "cannot answer")
    }).pipe(Effect.provide(memory())))

  it.effect("passes on every other failure", () =>
    Effect.gen(function*() {
      yield* past(["a"])
      assert.strictEqual(yield* Effect.flip(ask(["a"], () => Effect.fail("bad request"))), "bad request")
      assert.deepStrictEqual(namesOf((yield* ask(["a"], downFor("too long"))).outcomes), ["failed: too long"])
    }).pipe(Effect.provide(memory())))

  it.effect("gives nothing longer past its time than the caller or the model allows", () =>
    Effect.gen(function*() {
      yield* past(["a"])
      assert.strictEqual(
        yield* Effect.flip(ask(["a"], down, { freshness: { staleIfErrorMs: 10_000 } })),
        "cannot answer"
      )
      assert.deepStrictEqual((yield* ask(["a"], down)).stale, [true])
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(yield* Effect.flip(ask(["a"], down)), "cannot answer")
    }).pipe(Effect.provide(memory())))

  it.effect("gives nothing old to one who asked for a new computation", () =>
    Effect.gen(function*() {
      yield* past(["a"])
      assert.strictEqual(yield* Effect.flip(ask(["a"], down, { mode: "refresh" })), "cannot answer")
    }).pipe(Effect.provide(memory())))

  it.effect("is not what those who wait for a failing leader miss", () =>
    Effect.gen(function*() {
      yield* past(["a"])
      const slow: Compute = () => Effect.andThen(Effect.sleep("1 second"), Effect.fail("cannot answer"))
      const both = yield* Effect.forkChild(
        Effect.all([ask(["a"], slow), ask(["a"], down)], { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      yield* TestClock.adjust("2 seconds")
      const answers = yield* Effect.map(both.pollUnsafe() ?? Effect.die("still waits"), (them) => them)
      assert.deepStrictEqual(answers.map(({ stale }) => stale), [[true], [true]])
    }).pipe(Effect.provide(memory())))

  it.effect("is counted, by version and by model", () =>
    Effect.gen(function*() {
      const metrics = yield* Metrics
      metrics.registerVersion("m", "v1")
      yield* past(["a"])
      yield* ask(["a", "a"], down)
      assert.include((yield* metrics.render).body, `sluice_cache_stale_items_total{model="m",version="v1"} 2`)
      const { models, stale } = yield* Effect.flatMap(PredictionCache, (cache) => cache.stats)
      assert.strictEqual(stale, 2)
      assert.deepStrictEqual(models, [{ model: "m", hits: 0, misses: 3, stale: 2 }])
    }).pipe(Effect.provide(memory())))
})

describe("PredictionCache, by age", () => {
  const text = (...texts: ReadonlyArray<string>) => texts.map((each) => ({ _tag: "Text" as const, text: each }))

  it.effect("takes nothing older than the caller wants, and says the age of the oldest that it took", () =>
    Effect.gen(function*() {
      const { compute } = model()
      yield* ask(["a"], compute(["a"]))
      yield* TestClock.adjust("30 seconds")
      yield* ask(["b"], compute(["b"]))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* ask(["a", "b"], unasked)).ageMs, 40_000)
      const young = yield* ask(["a", "b"], compute(["a", "b"]), { freshness: { maxAgeMs: 20_000 } })
      assert.deepStrictEqual([young.hits, young.ageMs], [[false, true], 10_000])
    }).pipe(Effect.provide(memory())))

  it.effect("answers at once what this process holds, all of it or nothing", () =>
    Effect.gen(function*() {
      const cache = yield* PredictionCache
      const { compute } = model()
      yield* ask(["a", "b"], compute(["a", "b"]))
      yield* Effect.yieldNow
      yield* TestClock.adjust("5 seconds")
      const held = cache.held({ namespace, inputs: text("b", "a", "b") })
      assert.deepStrictEqual(held && [namesOf(held.outcomes), held.status, held.ageMs], [["B", "A", "B"], "hit", 5_000])
      assert.isUndefined(cache.held({ namespace, inputs: text("a", "c") }))
      assert.isUndefined(cache.held({ namespace, inputs: text("a"), freshness: { maxAgeMs: 1_000 } }))
      yield* TestClock.adjust("12 minutes")
      assert.isUndefined(cache.held({ namespace, inputs: text("a"), freshness: { staleIfErrorMs } }))
      // Only what was answered counts.
      const { hits, misses } = yield* cache.stats
      assert.deepStrictEqual([hits, misses], [3, 2])
    }).pipe(Effect.provide(memory())))
})
