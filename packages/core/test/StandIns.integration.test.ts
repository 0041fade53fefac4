import { assert, describe, it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { Answered, InferRequest } from "@sluice/core/InferRequest"
import { CircuitBreaker } from "@sluice/core/resilience/CircuitBreaker"
import { Rollouts } from "@sluice/core/rollout/Rollouts"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { cells, orders, sharedCells } from "./fixtures/ScriptedPlugin.ts"
import { engineLayer, letters, registryWith, scripted, turn } from "./LocalEngine.ts"

const requestFor = (value: number, rest: Partial<InferRequest> = {}): InferRequest => ({
  model: "numbers",
  version: undefined,
  routingKey: "caller",
  input: { _tag: "Items", items: [{ _tag: "Features", values: [value] }] },
  cache: "bypass",
  priority: "normal",
  timeoutMs: undefined,
  ...rest
})

const triple = { ...scripted, options: { factor: 3, sound: true } }
const sound = { ...scripted, options: { sound: true } }
const canary = { type: "canary", canary_percentage: 100, target_version: "v2", analysis: { max_error_rate: 0.5 } }

const models = {
  numbers: { default_version: "v1", versions: { v1: scripted, v2: triple }, fallback: { version: "v2" } },
  // The canary has all traffic; its default stands in for it.
  tried: {
    default_version: "v1",
    versions: { v1: sound, v2: scripted },
    rollout_strategy: canary,
    fallback: { version: "v1" }
  },
  doomed: {
    default_version: "v1",
    versions: { v1: scripted, v2: scripted },
    fallback: { version: "v2" },
    default_answer: { prediction: "unknown" }
  },
  kept: {
    default_version: "v1",
    stale_if_error: "2 hours",
    versions: { v1: scripted, v2: triple },
    fallback: { version: "v2" }
  },
  misled: { default_version: "v1", versions: { v1: scripted }, fallback: { model: "letters" } },
  letters: { default_version: "v1", versions: { v1: letters } }
}

type Ask = (request: InferRequest) => Effect.Effect<Answered, never, Inference>

/** Both ways into the pipeline: in a fiber with spans, and without. */
const ways: ReadonlyArray<readonly [string, Ask]> = [
  ["infer", (request) => Effect.flatMap(Inference, ({ infer }) => Effect.result(infer(request)))],
  ["start", (request) =>
    Effect.flatMap(
      Inference,
      ({ start }) =>
        Effect.callback<Answered>((resume) => Effect.sync(start(request, (it) => resume(Effect.succeed(it)))))
    )]
]

const short = (answered: Answered) => {
  if (Result.isFailure(answered)) return answered.failure._tag
  const { degraded, items, model, version } = answered.success
  const values = items.map((item) =>
    Result.isFailure(item)
      ? item.failure._tag
      : item.success.prediction?.prediction ?? item.success.outputs["y"]?.data[0]
  )
  return [`${model}@${version}`, ...values, degraded?.kind]
}

describe.each(ways)("a version that cannot answer, by %s", (_, ask) => {
  const test = (
    name: string,
    body: (
      memory: Int32Array
    ) => Generator<Effect.Effect<unknown, unknown, Inference | CircuitBreaker | Metrics | Rollouts>, void, never>
  ) =>
    it.effect(name, () => {
      const memory = sharedCells()
      return Effect.gen(() => body(memory)).pipe(
        Effect.ensuring(Effect.sync(() => {
          Atomics.store(memory, cells.gate, 1)
          Atomics.notify(memory, cells.gate)
        })),
        Effect.provide(engineLayer(registryWith(models, memory))),
        Effect.provide(Logger.layer([]))
      )
    })
  const trip = (model: string) => Effect.repeat(ask(requestFor(orders.fail, { model })), { times: 4 })

  test("is replaced by its fallback, unless it is named", function*() {
    assert.deepStrictEqual(short(yield* ask(requestFor(5))), ["numbers@v1", 10, undefined])
    yield* trip("numbers")
    assert.deepStrictEqual(short(yield* ask(requestFor(5))), ["numbers@v2", 15, "fallback"])
    assert.deepStrictEqual(short(yield* ask(requestFor(5, { model: undefined, cache: "use" }))), [
      "numbers@v2",
      15,
      "fallback"
    ])
    assert.strictEqual(short(yield* ask(requestFor(5, { version: "v1" }))), "CircuitOpen")
  })

  const of = (...values: ReadonlyArray<number>): Partial<InferRequest> => ({
    input: { _tag: "Items", items: values.map((value) => ({ _tag: "Features", values: [value] })) }
  })

  test("is replaced for what it failed on, which its circuit and its metrics count", function*() {
    const answered = yield* ask(requestFor(orders.fail))
    assert.deepStrictEqual(short(answered), ["numbers@v2", -3, "fallback"])
    const { failures } = yield* Effect.map(CircuitBreaker, ({ status }) => status("numbers", "v1"))
    assert.strictEqual(failures, 1)
    const { body } = yield* Effect.flatMap(Metrics, ({ render }) => render)
    const counted = `sluice_request_errors_total{model="numbers",version="v1",code="model_failed"} 1\n`
    assert.isTrue(body.includes(counted), counted)
    const named = yield* ask(requestFor(orders.fail, { version: "v1" }))
    assert.deepStrictEqual(short(named), ["numbers@v1", "ModelFailed", undefined])
  })

  test("is replaced by the registry's answer for what its fallback fails on, too", function*() {
    const answered = yield* ask(requestFor(0, { model: "doomed", ...of(5, orders.fail) }))
    assert.deepStrictEqual(short(answered), ["doomed@v1", 10, "unknown", "default"])
  })

  test("is replaced whole where it failed on some items, unless the caller takes partial results", function*() {
    const whole = yield* ask(requestFor(0, of(5, orders.fail)))
    assert.deepStrictEqual(short(whole), ["numbers@v2", 15, -3, "fallback"])
    const some = yield* ask(requestFor(0, { ...of(5, orders.fail), partial: true }))
    assert.deepStrictEqual(short(some), ["numbers@v1", 10, "ModelFailed", undefined])
    const none = yield* ask(requestFor(0, { ...of(orders.fail, orders.fail), partial: true }))
    assert.deepStrictEqual(short(none), ["numbers@v2", -3, -3, "fallback"])
  })

  test("is not replaced for tensors that it failed on", function*() {
    const x = { datatype: "FP32" as const, shape: [1, 1], data: Float32Array.of(orders.fail) }
    const answered = yield* ask(requestFor(0, { input: { _tag: "Tensors", tensors: { x } } }))
    assert.deepStrictEqual(short(answered), ["numbers@v1", "ModelFailed", undefined])
  })

  test("is not told the answers of its fallback by its rollout", function*() {
    yield* trip("tried")
    for (let i = 0; i < 10; i++) {
      assert.deepStrictEqual(short(yield* ask(requestFor(5, { model: "tried" }))), ["tried@v1", 10, "fallback"])
    }
    const { default: ofDefault, target } = yield* Effect.flatMap(Rollouts, ({ status }) => status("tried"))
    assert.deepStrictEqual([target?.requests, ofDefault?.requests], [5, 0])
  })

  test("counts once where a stale item of its own is replaced with the others", function*() {
    yield* ask(requestFor(5, { model: "kept", cache: "use" }))
    yield* turn
    yield* TestClock.adjust("70 minutes")
    // By name, so that no fallback is counted for these.
    yield* Effect.repeat(ask(requestFor(orders.fail, { model: "kept", version: "v1" })), { times: 4 })
    const items = [5, 6].map((value) => ({ _tag: "Features" as const, values: [value] }))
    const both = requestFor(0, { model: "kept", cache: "use", input: { _tag: "Items", items } })
    assert.deepStrictEqual(short(yield* ask(both)), ["kept@v2", 15, 18, "fallback"])
    const { body } = yield* Effect.flatMap(Metrics, ({ render }) => render)
    assert.deepStrictEqual(body.match(/^sluice_degraded_answers_total.* [1-9]$/gm), [
      `sluice_degraded_answers_total{model="kept",version="v1",kind="fallback"} 1`
    ])
    assert.deepStrictEqual(short(yield* ask(requestFor(5, { model: "kept", cache: "use" }))), ["kept@v1", 10, "stale"])
    const again = yield* Effect.flatMap(Metrics, ({ render }) => render)
    assert.include(again.body, `sluice_degraded_answers_total{model="kept",version="v1",kind="stale"} 1`)
  })

  test("is not replaced by one that takes other items", function*() {
    yield* trip("misled")
    assert.strictEqual(short(yield* ask(requestFor(5, { model: "misled" }))), "CircuitOpen")
  })

  test("is left by a caller who leaves while the fallback computes", function*(memory) {
    yield* trip("numbers")
    const runs = Atomics.load(memory, cells.runs)
    const caller = yield* Effect.forkChild(ask(requestFor(orders.holdAside)), { startImmediately: true })
    yield* Effect.promise(async () => Atomics.waitAsync(memory, cells.runs, runs).value)
    yield* Fiber.interrupt(caller)
    Atomics.store(memory, cells.gate, 1)
    Atomics.notify(memory, cells.gate)
    assert.deepStrictEqual(short(yield* ask(requestFor(5))), ["numbers@v2", 15, "fallback"])
  })
})
