import { assert, describe, it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { InferRequest } from "@sluice/core/InferRequest"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { cells, orders, sharedCells } from "./fixtures/ScriptedPlugin.ts"
import { conformanceRegistry, inferenceConformance } from "./InferenceConformance.ts"
import { engineLayer, registryWith, scripted, turn } from "./LocalEngine.ts"

inferenceConformance("Inference.layerLocal", engineLayer(conformanceRegistry))

const requestFor = (...values: ReadonlyArray<number>): InferRequest => ({
  model: "numbers",
  version: undefined,
  routingKey: "caller",
  input: { _tag: "Items", items: values.map((value) => ({ _tag: "Features", values: [value] })) },
  cache: "use",
  priority: "normal",
  timeoutMs: undefined
})

const infer = (request: InferRequest) => Effect.flatMap(Inference, (inference) => inference.infer(request))

/** The value of a sample on the metrics page, whose labels are given in their order there. */
const sample = Effect.fnUntraced(function*(name: string, labels: Readonly<Record<string, string>> = {}) {
  const { body } = yield* (yield* Metrics).render
  const all = Object.entries({ model: "numbers", version: "v1", ...labels }).map(([label, value]) =>
    `${label}="${value}"`
  )
  const line = body.split("\n").find((line) =>
    line.startsWith(`${name}{`) && all.every((label) => line.includes(label))
  )
  return line === undefined ? undefined : Number(line.split(" ").at(-1))
})

const openGate = (memory: Int32Array) =>
  Effect.sync(() => {
    Atomics.store(memory, cells.gate, 1)
    Atomics.notify(memory, cells.gate)
  })

/** Runs while a run of the model holds up all others. */
const whileHeld = <A, E, R>(memory: Int32Array, use: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const runs = Atomics.load(memory, cells.runs)
    const held = yield* Effect.forkChild(infer(requestFor(orders.hold)), { startImmediately: true })
    yield* Effect.promise(async () => Atomics.waitAsync(memory, cells.runs, runs).value)
    yield* use
    yield* openGate(memory)
    yield* Fiber.join(held)
  })

/** An engine of its own for each test, whose counters start at zero. */
const test = (
  name: string,
  body: (memory: Int32Array) => Generator<Effect.Effect<unknown, unknown, Inference | Metrics>, void, never>
) =>
  it.effect(name, () => {
    const memory = sharedCells()
    const registry = registryWith({ numbers: { default_version: "v1", versions: { v1: scripted } } }, memory)
    return Effect.gen(() => body(memory)).pipe(
      Effect.ensuring(openGate(memory)),
      Effect.provide(engineLayer(registry)),
      Effect.provide(Logger.layer([]))
    )
  })

describe("Inference.layerLocal", () => {
  test("counts requests, and errors by their code", function*() {
    yield* infer(requestFor(1, 2))
    yield* infer(requestFor(1, orders.fail))
    yield* Effect.flip(infer({ ...requestFor(), input: { _tag: "Tensors", tensors: {} } }))
    yield* infer({ ...requestFor(), input: { _tag: "Items", items: [{ _tag: "Text", text: "a" }] } })
    yield* Effect.flip(infer({ ...requestFor(1), model: "unknown" }))
    assert.strictEqual(yield* sample("sluice_requests_total"), 4)
    for (const code of ["model_failed", "malformed_request", "invalid_input"]) {
      assert.strictEqual(yield* sample("sluice_request_errors_total", { code }), 1, code)
    }
    assert.strictEqual(yield* sample("sluice_request_errors_total", { code: "deadline_exceeded" }), 0)
    const { body } = yield* (yield* Metrics).render
    assert.match(body, /sluice_requests_refused_total\{code="model_not_found"\} 1\n/)
  })

  test("counts each item that the cache is asked for once", function*() {
    yield* infer(requestFor(1, 2))
    yield* infer(requestFor(1, 3))
    yield* infer({ ...requestFor(1), cache: "bypass" })
    assert.strictEqual(yield* sample("sluice_cache_items_total", { result: "hit" }), 1)
    assert.strictEqual(yield* sample("sluice_cache_items_total", { result: "miss" }), 3)
  })

  test("times every stage", function*() {
    yield* infer(requestFor(1))
    for (const stage of ["cache", "encode", "queue", "compute", "decode"]) {
      assert.strictEqual(yield* sample("sluice_stage_duration_seconds_count", { stage }), 1, stage)
    }
  })

  test("forgets 200 callers who have left: nothing waits, nothing runs", function*(memory) {
    yield* whileHeld(
      memory,
      Effect.gen(function*() {
        const callers = yield* Effect.forEach(
          Array.from({ length: 200 }, (_, i) => i),
          (value) => Effect.forkChild(infer(requestFor(value)), { startImmediately: true })
        )
        while ((yield* sample("sluice_queue_length")) !== 200) yield* turn
        yield* Fiber.interruptAll(callers)
        assert.strictEqual(yield* sample("sluice_queue_length"), 0)
        assert.strictEqual(yield* sample("sluice_abandoned_requests_total"), 200)
      })
    )
    yield* infer(requestFor(1000))
    assert.strictEqual(yield* sample("sluice_batch_size_count"), 2)
  })

  test("takes one who is out of time for answered late, and not for gone", function*(memory) {
    yield* whileHeld(
      memory,
      Effect.gen(function*() {
        const late = yield* Effect.forkChild(Effect.flip(infer({ ...requestFor(1), timeoutMs: 50 })), {
          startImmediately: true
        })
        yield* TestClock.adjust("50 millis")
        assert.strictEqual((yield* Fiber.join(late))._tag, "DeadlineExceeded")
        assert.strictEqual(yield* sample("sluice_queue_length"), 0)
      })
    )
    assert.strictEqual(yield* sample("sluice_request_errors_total", { code: "deadline_exceeded" }), 1)
    assert.strictEqual(yield* sample("sluice_abandoned_requests_total"), 0)
  })

  /** Moves the clock on until there is an answer: restarts wait for it. */
  const whilePatient = Effect.fnUntraced(function*(request: InferRequest) {
    const answer = yield* Effect.forkChild(infer({ ...request, timeoutMs: 3_600_000 }), { startImmediately: true })
    while (answer.pollUnsafe() === undefined) {
      yield* TestClock.adjust("10 millis")
      yield* turn
    }
    return yield* Fiber.join(answer)
  })

  test("tells the caller whose item ends workers, when it has ended a second one", function*() {
    const [lost] = (yield* whilePatient(requestFor(orders.exit))).items
    assert.strictEqual(lost !== undefined && Result.isFailure(lost) ? lost.failure._tag : undefined, "InstanceLost")
    assert.isTrue((yield* whilePatient(requestFor(1))).items.every(Result.isSuccess))
    assert.strictEqual(yield* sample("sluice_worker_restarts_total"), 2)
    assert.strictEqual(yield* sample("sluice_retried_items_total"), 1)
    assert.strictEqual(yield* sample("sluice_request_errors_total", { code: "instance_lost" }), 1)
  })

  test("warms a version up through its queue and worker", function*() {
    const warmed = yield* Effect.flatMap(Inference, (inference) => inference.warmup("numbers", "v1"))
    assert.deepInclude(warmed, { model_id: "numbers@v1", state: "ready" })
    assert.strictEqual(yield* sample("sluice_batch_size_count"), 1)
  })
})
