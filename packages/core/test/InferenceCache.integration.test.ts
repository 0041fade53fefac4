import { assert, describe, it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { Answered, InferRequest } from "@sluice/core/InferRequest"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { cells, orders, sharedCells } from "./fixtures/ScriptedPlugin.ts"
import { engineLayer, registryWith, scripted, turn } from "./LocalEngine.ts"

const requestFor = (values: ReadonlyArray<number>, rest: Partial<InferRequest> = {}): InferRequest => ({
  model: "numbers",
  version: undefined,
  routingKey: "caller",
  input: { _tag: "Items", items: values.map((value) => ({ _tag: "Features", values: [value] })) },
  cache: "use",
  priority: "normal",
  timeoutMs: undefined,
  ...rest
})

const infer = (values: ReadonlyArray<number>, rest?: Partial<InferRequest>) =>
  Effect.flatMap(Inference, (inference) => inference.infer(requestFor(values, rest)))

const test = (
  name: string,
  body: (memory: Int32Array) => Generator<Effect.Effect<unknown, unknown, Inference | Metrics>, void, never>,
  version: object = scripted
) =>
  it.effect(name, () => {
    const memory = sharedCells()
    const registry = registryWith({
      numbers: { default_version: "v1", stale_if_error: "2 hours", versions: { v1: version } }
    }, memory)
    return Effect.gen(() => body(memory)).pipe(
      Effect.provide(engineLayer(registry)),
      Effect.provide(Logger.layer([]))
    )
  })

const outputs = (answered: Answered) =>
  Result.isFailure(answered)
    ? answered.failure._tag
    : answered.success.items.map((item) =>
      Result.isSuccess(item) ? item.success.outputs["y"]?.data[0] : item.failure._tag
    )

/** Stored aside, after the answer. */
const stored = Effect.andThen(turn, turn)

describe("Inference with its cache", () => {
  test("answers what this process holds before start returns, and tells its meters", function*() {
    yield* infer([1, 2])
    yield* stored
    yield* TestClock.adjust("90 seconds")
    const { start } = yield* Inference
    const answers: Array<Answered> = []
    start(requestFor([2, 1]), (answered) => answers.push(answered))
    const [answered] = answers
    if (answered === undefined || Result.isFailure(answered)) return assert.fail("no answer yet")
    assert.deepStrictEqual(outputs(answered), [4, 2])
    const { ageMs, cacheStatus, degraded, items } = answered.success
    assert.deepStrictEqual([cacheStatus, ageMs, degraded], ["hit", 90_000, undefined])
    assert.isTrue(items.every((item) => Result.isSuccess(item) && item.success.cached))
    const { body } = yield* Effect.flatMap(Metrics, ({ render }) => render)
    assert.include(body, `sluice_cache_items_total{model="numbers",version="v1",result="hit"} 2`)
    assert.include(body, `sluice_requests_total{model="numbers",version="v1"} 2`)
  })

  test("computes only what is new of a request whose other items are known", function*(memory) {
    yield* infer(Array.from({ length: 31 }, (_, index) => index))
    yield* stored
    const runs = Atomics.load(memory, cells.runs)
    const answer = yield* infer(Array.from({ length: 32 }, (_, index) => index))
    assert.strictEqual(answer.cacheStatus, "partial")
    assert.deepStrictEqual(outputs(Result.succeed(answer)), Array.from({ length: 32 }, (_, index) => index * 2))
    assert.strictEqual(Atomics.load(memory, cells.runs), runs + 1)
  })

  test("gives old answers while the circuit is open, says so, and keeps nothing of that", function*() {
    yield* infer([5])
    yield* stored
    yield* TestClock.adjust("70 minutes")
    for (let call = 0; call < 5; call++) yield* infer([orders.fail])
    assert.strictEqual((yield* Effect.flip(infer([6])))._tag, "CircuitOpen")
    for (let call = 0; call < 2; call++) {
      const { ageMs = 0, cacheStatus, degraded, items } = yield* infer([5])
      assert.deepStrictEqual([cacheStatus, degraded], ["hit", { kind: "stale" }])
      assert.isAtLeast(ageMs, 70 * 60_000)
      assert.isTrue(items.every(Result.isSuccess))
      yield* stored
    }
    // Past what the registry allows there is no answer.
    yield* TestClock.adjust("3 hours")
    for (let call = 0; call < 5; call++) yield* Effect.ignore(infer([orders.fail]))
    assert.strictEqual((yield* Effect.flip(infer([5])))._tag, "CircuitOpen")
  })

  test("gives nothing that was computed in company to one who wants it alone, where that differs", function*() {
    yield* infer([7])
    yield* stored
    assert.strictEqual((yield* infer([7], { consistent: true })).cacheStatus, "miss")
    yield* stored
    assert.strictEqual((yield* infer([7], { consistent: true })).cacheStatus, "hit")
    assert.strictEqual((yield* infer([7])).cacheStatus, "hit")
  }, { ...scripted, batch_invariant: false })
})
