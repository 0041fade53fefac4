import { assert, describe, it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { Answered, InferRequest } from "@sluice/core/InferRequest"
import type { CircuitBreaker } from "@sluice/core/resilience/CircuitBreaker"
import { Rollouts } from "@sluice/core/rollout/Rollouts"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import { cells, orders, sharedCells } from "./fixtures/ScriptedPlugin.ts"
import { engineLayer, letters, registryWith, scripted } from "./LocalEngine.ts"

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

const triple = { ...scripted, options: { factor: 3 } }
const canary = { type: "canary", canary_percentage: 100, target_version: "v2", analysis: { max_error_rate: 0.5 } }

const models = {
  numbers: { default_version: "v1", versions: { v1: scripted, v2: triple }, fallback: { version: "v2" } },
  // The canary has all traffic; its default stands in for it.
  tried: {
    default_version: "v1",
    versions: { v1: scripted, v2: triple },
    rollout_strategy: canary,
    fallback: { version: "v1" }
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
    ) => Generator<Effect.Effect<unknown, unknown, Inference | CircuitBreaker | Rollouts>, void, never>
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

  test("is not replaced for one that it failed on", function*() {
    assert.deepStrictEqual(short(yield* ask(requestFor(orders.fail))), ["numbers@v1", "ModelFailed", undefined])
  })

  test("is not told the answers of its fallback by its rollout", function*() {
    yield* trip("tried")
    for (let i = 0; i < 10; i++) {
      assert.deepStrictEqual(short(yield* ask(requestFor(5, { model: "tried" }))), ["tried@v1", 10, "fallback"])
    }
    const { default: ofDefault, target } = yield* Effect.flatMap(Rollouts, ({ status }) => status("tried"))
    assert.deepStrictEqual([target?.requests, ofDefault?.requests], [5, 0])
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
