/**
 * Instances that hang, that end again and again, or that live in processes of their own.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import type { HostedModel, RunError } from "@sluice/core/execution/HostedModel"
import type { Health, ModelHost } from "@sluice/core/execution/ModelHost"
import type { ThreadPlan } from "@sluice/core/execution/ThreadPlan"
import type { Metrics } from "@sluice/core/telemetry/Metrics"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { cells, orders, sharedCells } from "../fixtures/ScriptedPlugin.ts"
import { turn } from "../LocalEngine.ts"
import { alone, changed, hostLayer, living, never, open, openGate, run, shared, workers } from "./ScriptedHost.ts"

const inProcess: ThreadPlan = { ...alone, isolation: "process" }
const runTimeoutMs = 5000
const watched = { runTimeoutMs }

const test = (
  name: string,
  body: () => Generator<Effect.Effect<unknown, unknown, ModelHost | Metrics | Scope.Scope>, void, never>
) =>
  it.effect(
    name,
    () => Effect.gen(body).pipe(Effect.provide(hostLayer), Effect.provide(Logger.layer([])), Effect.scoped)
  )

/** Starts a run that is computing when this returns. */
const startRun = Effect.fnUntraced(function*(hosted: HostedModel, memory: Int32Array, order: number) {
  const runs = Atomics.load(memory, cells.runs)
  const fiber = yield* Effect.forkChild(Effect.result(run(hosted, order)), { startImmediately: true })
  yield* changed(memory, cells.runs, runs)
  return fiber
})

/** Lets time pass until it is so. */
const passUntil = Effect.fnUntraced(function*(holds: () => boolean) {
  while (!holds()) {
    yield* TestClock.adjust("100 millis")
    yield* turn
  }
})

/** A run's answer, which needs time to pass: a restart's delay. */
const eventually = Effect.fnUntraced(function*(answer: Effect.Effect<ReadonlyArray<number>, RunError>) {
  const fiber = yield* Effect.forkChild(answer, { startImmediately: true })
  yield* passUntil(() => fiber.pollUnsafe() !== undefined)
  return yield* Fiber.join(fiber)
})

const lost = (hosted: HostedModel, order: number) => Effect.map(Effect.flip(run(hosted, order)), ({ _tag }) => _tag)

/** How a version has fared, told last. */
const healthLog = () => {
  const log: Array<Health> = []
  return { log, onHealth: (health: Health) => Effect.sync(() => void log.push(health)) }
}

describe("an instance whose runs fail again and again", () => {
  it.effect("is told of in a few lines, and then by their count", () => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ message }) => {
      lines.push(String(message))
    })
    return Effect.gen(function*() {
      const hosted = yield* open()
      for (let i = 0; i < 50; i++) {
        assert.strictEqual((yield* Effect.flip(run(hosted, orders.fail)))._tag, "ModelFailed")
        assert.deepStrictEqual(yield* run(hosted, 1), [2])
      }
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(lines, 6)
      assert.match(lines[5] ?? "", /^45 more batches of scripted@v1 failed, the last one: .*a poisoned row/)
    }).pipe(Effect.provide(hostLayer), Effect.provide(Logger.layer([logger])), Effect.scoped)
  })
})

describe("an instance in a process of its own", () => {
  test("computes, in no thread of this process", function*() {
    const hosted = yield* open({ factor: 3 }, inProcess)
    assert.deepStrictEqual(yield* run(hosted, 1, 2), [3, 6])
    assert.deepStrictEqual(living(), [])
  })

  const crashes = (name: string, order: number) =>
    test(`takes nobody along: ${name}`, function*() {
      const other = yield* open({ factor: 5 })
      const hosted = yield* open({}, inProcess, "v2")
      assert.strictEqual(yield* lost(hosted, order), "InstanceLost")
      assert.deepStrictEqual(yield* run(other, 1), [5])
      assert.deepStrictEqual(yield* eventually(run(hosted, 4)), [8])
    })
  crashes("a segmentation fault", orders.segfault)
  crashes("an abort", orders.abort)
  crashes("an exit", orders.exit)

  test("is ended and replaced when a run takes longer than its timeout", function*() {
    const hosted = yield* open({}, inProcess, "v1", watched)
    const [instance] = hosted.instances()
    const hanging = yield* Effect.forkChild(lost(hosted, orders.spin), { startImmediately: true })
    yield* TestClock.adjust(runTimeoutMs - 1)
    yield* turn
    assert.isTrue(instance?.alive())
    yield* TestClock.adjust(1)
    assert.strictEqual(yield* Fiber.join(hanging), "InstanceLost")
    assert.isFalse(instance?.alive())
    assert.deepStrictEqual(yield* eventually(run(hosted, 4)), [8])
  })
})

describe("a thread that hangs", () => {
  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.terminate()))
  })

  test("is given up but not ended, and ends itself when it comes back", function*() {
    const memory = sharedCells()
    const hosted = yield* open({ cells: memory }, alone, "v1", watched)
    const hanging = yield* startRun(hosted, memory, orders.hold)
    yield* TestClock.adjust(runTimeoutMs)
    assert.strictEqual((yield* Fiber.join(hanging))._tag, "Failure")
    assert.deepStrictEqual(hosted.instances(), [])
    assert.deepStrictEqual(yield* eventually(run(hosted, 4)), [8])
    assert.strictEqual(living().length, 2)
    yield* openGate(memory)
    while (living().length > 1) yield* turn
    assert.deepStrictEqual(yield* run(hosted, 4), [8])
  })

  test("is not one whose run waited long behind another", function*() {
    const memory = sharedCells()
    const hosted = yield* open({ cells: memory }, alone, "v1", watched)
    const first = yield* startRun(hosted, memory, orders.hold)
    const second = yield* Effect.forkChild(lost(hosted, orders.spin), { startImmediately: true })
    yield* TestClock.adjust(runTimeoutMs - 1)
    yield* openGate(memory)
    assert.strictEqual((yield* Fiber.join(first))._tag, "Success")
    yield* TestClock.adjust(runTimeoutMs - 1)
    yield* turn
    assert.isUndefined(second.pollUnsafe())
    yield* TestClock.adjust(1)
    assert.strictEqual(yield* Fiber.join(second), "InstanceLost")
  })

  test("costs all that shared it their place, and all are replaced", function*() {
    const memory = sharedCells()
    const first = yield* open({ cells: memory }, shared, "v1", watched)
    const second = yield* open({ factor: 5 }, shared, "v2", never)
    const hanging = yield* startRun(first, memory, orders.hold)
    const waiting = yield* Effect.forkChild(Effect.flip(run(second, 1)), { startImmediately: true })
    yield* TestClock.adjust(runTimeoutMs)
    assert.strictEqual((yield* Fiber.join(hanging))._tag, "Failure")
    assert.strictEqual((yield* Fiber.join(waiting))._tag, "InstanceLost")
    assert.deepStrictEqual(
      [yield* eventually(run(first, 1)), yield* eventually(run(second, 1))],
      [[2], [5]]
    )
    yield* openGate(memory)
    while (living().length > 1) yield* turn
  })

  test("is not followed by ever more: the version fails until one comes back", function*() {
    const memory = sharedCells()
    const { log, onHealth } = healthLog()
    const hosted = yield* open({ cells: memory }, alone, "v1", { runTimeoutMs, onHealth })
    for (let hung = 1; hung <= 3; hung++) {
      yield* passUntil(() => hosted.instances().length === 1)
      const hanging = yield* startRun(hosted, memory, orders.hold)
      yield* TestClock.adjust(runTimeoutMs)
      assert.strictEqual((yield* Fiber.join(hanging))._tag, "Failure")
      assert.strictEqual(living().length, hung)
    }
    yield* passUntil(() => log.length > 0)
    assert.match(log[0]?._tag === "Failing" ? log[0].reason : "", /3 of its threads hang/)
    assert.strictEqual(living().length, 3)
    yield* openGate(memory)
    while (living().length > 0) yield* turn
    yield* passUntil(() => log.length > 1)
    assert.deepStrictEqual(log[1], { _tag: "Well" })
    assert.deepStrictEqual(yield* run(hosted, 4), [8])
  })
})

describe("a version whose instances end again and again", () => {
  test("is failing after the fifth time, and well when one has lived", function*() {
    const { log, onHealth } = healthLog()
    const hosted = yield* open({}, alone, "v1", { ...never, onHealth })
    for (let end = 1; end <= 5; end++) {
      yield* passUntil(() => hosted.instances().length === 1)
      assert.deepStrictEqual(log, [])
      assert.strictEqual(yield* lost(hosted, orders.exit), "InstanceLost")
    }
    yield* passUntil(() => log.length === 1)
    assert.strictEqual(log[0]?._tag, "Failing")
    yield* passUntil(() => hosted.instances().length === 1)
    yield* TestClock.adjust("29 seconds")
    assert.strictEqual(log.length, 1)
    yield* passUntil(() => log.length === 2)
    assert.deepStrictEqual(log[1], { _tag: "Well" })
  })

  test("is failing as well when they do not even load", function*() {
    const memory = sharedCells()
    const { log, onHealth } = healthLog()
    const hosted = yield* open({ cells: memory }, alone, "v1", { ...never, onHealth })
    Atomics.store(memory, cells.refuseLoad, 1)
    assert.strictEqual(yield* lost(hosted, orders.exit), "InstanceLost")
    yield* passUntil(() => log.length === 1)
    assert.match(log[0]?._tag === "Failing" ? log[0].reason : "", /the file holds no model/)
    assert.deepStrictEqual(hosted.instances(), [])
    Atomics.store(memory, cells.refuseLoad, 0)
    yield* passUntil(() => log.length === 2)
    assert.deepStrictEqual(yield* run(hosted, 4), [8])
  })

  test("is well while one of its instances is", function*() {
    const { log, onHealth } = healthLog()
    const hosted = yield* open({}, { ...alone, instances: 2 }, "v1", { ...never, onHealth })
    yield* passUntil(() => hosted.instances().length === 2)
    const [steady] = hosted.instances()
    for (let end = 1; end <= 6; end++) {
      yield* passUntil(() => hosted.instances().length === 2)
      const unlucky = hosted.instances().find((instance) => instance !== steady)
      unlucky?.run({ x: { datatype: "FP32", shape: [1, 1], data: Float32Array.of(orders.exit) } }, () => undefined)
      yield* passUntil(() => hosted.instances().length === 1)
    }
    assert.deepStrictEqual(log, [])
    assert.isTrue(steady?.alive())
  })
})
