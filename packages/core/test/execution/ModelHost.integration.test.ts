import { afterEach, assert, describe, it } from "@effect/vitest"
import { ModelHost } from "@sluice/core/execution/ModelHost"
import type { ThreadPlan } from "@sluice/core/execution/ThreadPlan"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { cells, orders, sharedCells } from "../fixtures/ScriptedPlugin.ts"
import { turn } from "../LocalEngine.ts"
import {
  alone,
  changed,
  hostLayer,
  instanceOf,
  instancesOf,
  living,
  never,
  open,
  openGate,
  pluginUrl,
  run,
  runOn,
  runTensors,
  shared,
  specOf,
  tensors,
  workers
} from "./ScriptedHost.ts"

const test = (
  name: string,
  body: () => Generator<Effect.Effect<unknown, unknown, ModelHost | Metrics | Scope.Scope>, void, never>,
  on = it.live
) => on(name, () => Effect.gen(body).pipe(Effect.provide(hostLayer), Effect.provide(Logger.layer([])), Effect.scoped))

describe("ModelHost", () => {
  afterEach(() => assert.deepStrictEqual(living(), [], "no worker outlives its host"))

  test("computes in a worker, and knows the signature", function*() {
    const hosted = yield* open({ factor: 3 })
    assert.deepStrictEqual(hosted.signature.outputs, [{ name: "y", datatype: "FP32", shape: [-1, 1] }])
    assert.deepStrictEqual(yield* run(hosted, 1, 2), [3, 6])
    assert.strictEqual(living().length, 1)
  })

  test("has as many instances as planned, each in a worker of its own", function*() {
    const memory = sharedCells()
    const hosted = yield* open({ cells: memory }, { ...alone, instances: 3 })
    const instances = yield* instancesOf(hosted, 3)
    assert.strictEqual(living().length, 3)
    const fibers = yield* Effect.forEach(instances, (instance) => Effect.forkChild(runOn(instance, orders.hold)))
    // Three warm-ups and three runs at a time.
    while (Atomics.load(memory, cells.runs) < 6) yield* changed(memory, cells.runs, Atomics.load(memory, cells.runs))
    yield* openGate(memory)
    assert.strictEqual((yield* Effect.forEach(fibers, Fiber.join)).length, 3)
  })

  describe("when a worker ends", () => {
    test("tells the caller whose batch ran, and the next is answered by another worker", function*() {
      const memory = sharedCells()
      const metrics = yield* Metrics
      metrics.registerVersion("scripted", "v1")
      const hosted = yield* open({ cells: memory })
      const runs = Atomics.load(memory, cells.runs)
      const unlucky = yield* Effect.forkChild(Effect.flip(run(hosted, orders.hold)), { startImmediately: true })
      yield* changed(memory, cells.runs, runs)
      yield* Effect.promise(() => workers.at(-1)?.terminate() ?? Promise.resolve(0))
      const error = yield* Fiber.join(unlucky)
      assert.strictEqual(error._tag, "InstanceLost")
      assert.deepStrictEqual(yield* run(hosted, 4), [8])
      const page = yield* metrics.render
      assert.match(page.body, /sluice_worker_restarts_total\{model="scripted",version="v1"\} 1\n/)
    })

    test("survives a model that ends its own worker", function*() {
      const hosted = yield* open()
      assert.strictEqual((yield* Effect.flip(run(hosted, orders.exit)))._tag, "InstanceLost")
      assert.deepStrictEqual(yield* run(hosted, 4), [8])
    })

    test("survives an exception that nobody caught", function*() {
      const hosted = yield* open()
      const before = yield* instanceOf(hosted)
      assert.deepStrictEqual(yield* runOn(before, orders.crashLater), [-18])
      const crashed = workers.at(-1)
      yield* Effect.promise(async () => {
        if (crashed?.threadId !== -1) await new Promise((resolve) => crashed?.once("exit", resolve))
      })
      assert.isFalse(before.alive())
      assert.deepStrictEqual(yield* run(hosted, 4), [8])
    })

    test("replaces one whose answer cannot be read", function*() {
      const memory = sharedCells()
      const hosted = yield* open({ cells: memory })
      const runs = Atomics.load(memory, cells.runs)
      const unlucky = yield* Effect.forkChild(Effect.flip(run(hosted, orders.holdAside)), { startImmediately: true })
      yield* changed(memory, cells.runs, runs)
      workers.at(-1)?.emit("messageerror", new Error("no memory for it"))
      assert.strictEqual((yield* Fiber.join(unlucky))._tag, "InstanceLost")
      yield* openGate(memory)
      assert.deepStrictEqual(yield* run(hosted, 4), [8])
      while (living().length > 1) yield* turn
    })

    test("waits longer before each restart, and no more once an instance has lived", function*() {
      const lines: Array<string> = []
      const collector = Logger.make(({ message }) => lines.push(String(message)))
      yield* Effect.gen(function*() {
        const hosted = yield* open()
        for (const delay of [100, 200, 400, 100]) {
          if (delay === 100) yield* TestClock.adjust("30 seconds")
          const started = workers.length
          assert.strictEqual((yield* Effect.flip(run(hosted, orders.exit)))._tag, "InstanceLost")
          while (!lines.some((line) => line.endsWith(`Restart in ${delay} ms`))) yield* turn
          lines.length = 0
          yield* TestClock.adjust(delay - 1)
          assert.strictEqual(workers.length, started)
          yield* TestClock.adjust(1)
          assert.deepStrictEqual(yield* run(hosted, 4), [8])
        }
      }).pipe(Effect.scoped, Effect.provide(Logger.layer([collector])))
    }, it.effect)

    test("brings all instances back that shared it", function*() {
      const first = yield* open({}, shared, "v1")
      const second = yield* open({ factor: 5 }, shared, "v2")
      assert.strictEqual(living().length, 1)
      assert.strictEqual((yield* Effect.flip(run(first, orders.exit)))._tag, "InstanceLost")
      assert.deepStrictEqual([yield* run(first, 1), yield* run(second, 1)], [[2], [5]])
      assert.strictEqual(living().length, 1)
    })
  })

  describe("when a model cannot be loaded", () => {
    const refused = (options: object, reason: RegExp, url = pluginUrl) =>
      test(`says why: ${String(reason)}`, function*() {
        const host = yield* ModelHost
        const error = yield* Effect.flip(
          host.open({ ...specOf(options, alone, "v1"), pluginUrl: url }, alone, never)
        )
        assert.strictEqual(error._tag, "LoadFailed")
        assert.match(error.reason, reason)
        assert.deepStrictEqual(living(), [])
      })
    refused({ load: "fail" }, /the file holds no model/)
    refused({ load: "throw" }, /undefined is not a model/)
    refused({ load: "failWarmup" }, /a poisoned row/)
    refused({ load: "badSignature" }, /signature/)
    refused({ factor: "two" }, /factor/)
    refused({ cells: Symbol("cannot be sent") }, /Symbol/)
    refused({}, /NoSuchPlugin/, new URL("../fixtures/NoSuchPlugin.ts", import.meta.url).href)

    test("keeps nothing of it in a worker that others share", function*() {
      const memory = sharedCells()
      const good = yield* open({ cells: memory }, shared)
      yield* Effect.flip(open({ cells: memory, load: "failWarmup" }, shared, "v2"))
      assert.strictEqual(Atomics.load(memory, cells.loaded), 1)
      assert.deepStrictEqual(yield* run(good, 1), [2])
    })
  })

  describe("when a run fails", () => {
    const fails = (name: string, order: number) =>
      test(`tells its caller, and the instance goes on: ${name}`, function*() {
        const hosted = yield* open()
        assert.strictEqual((yield* Effect.flip(run(hosted, 1, order)))._tag, "ModelFailed")
        assert.deepStrictEqual(yield* run(hosted, 4), [8])
        assert.strictEqual(living().length, 1)
      })
    fails("the plugin says so", orders.fail)
    fails("the plugin throws", orders.throwException)

    test("tells a caller whose inputs cannot be moved, and the instance goes on", function*() {
      const hosted = yield* open()
      const instance = yield* instanceOf(hosted)
      const inputs = tensors(1)
      yield* runTensors(instance, inputs)
      assert.strictEqual((yield* Effect.flip(runTensors(instance, inputs)))._tag, "ModelFailed")
      assert.deepStrictEqual(yield* runOn(instance, 2), [4])
    })
  })

  test("writes what a model logs to the host's log, at its level", function*() {
    const lines: Array<unknown> = []
    const collector = Logger.make(({ fiber, logLevel, message }) => {
      lines.push([logLevel, message, fiber.getRef(References.CurrentLogAnnotations)])
    })
    yield* Effect.gen(function*() {
      yield* run(yield* open(), orders.log)
    }).pipe(
      Effect.scoped,
      Effect.provide(hostLayer),
      Effect.provide(Logger.layer([collector])),
      Effect.provideService(References.MinimumLogLevel, "All")
    )
    const annotations = { model: "scripted", version: "v1" }
    assert.deepStrictEqual(lines, [
      ["Debug", ["at debug"], annotations],
      ["Info", ["at info"], annotations],
      ["Warn", ["at warn"], annotations],
      ["Error", ["at error"], annotations]
    ])
  })

  describe("when a version's scope closes", () => {
    test("releases its instances, and leaves the others in the worker", function*() {
      const memory = sharedCells()
      const scope = yield* Scope.make()
      yield* Scope.provide(open({ cells: memory }, { ...shared, instances: 1 }), scope)
      const other = yield* open({ cells: memory, factor: 7 }, shared, "v2")
      assert.strictEqual(Atomics.load(memory, cells.loaded), 2)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(Atomics.load(memory, cells.loaded), 1)
      assert.deepStrictEqual(yield* run(other, 1), [7])
    })

    test("releases no model while it computes", function*() {
      const memory = sharedCells()
      const other = yield* open({ cells: memory }, shared, "v2")
      const scope = yield* Scope.make()
      const hosted = yield* Scope.provide(open({ cells: memory }, shared), scope)
      const running = yield* Effect.forkChild(run(hosted, orders.holdAside), { startImmediately: true })
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      // What the worker is told after the release is answered, so the release was heard.
      assert.deepStrictEqual(yield* run(other, 1), [2])
      assert.strictEqual(Atomics.load(memory, cells.loaded), 2)
      yield* openGate(memory)
      assert.deepStrictEqual(yield* Fiber.join(running), [-20])
      yield* Fiber.join(closing)
      assert.strictEqual(Atomics.load(memory, cells.loaded), 1)
    })

    const laterCalls = (name: string, plan: ThreadPlan) =>
      test(`fails later calls at once: ${name}`, function*() {
        const scope = yield* Scope.make()
        const instance = yield* Effect.flatMap(Scope.provide(open({}, plan), scope), instanceOf)
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(instance.alive())
        assert.strictEqual((yield* Effect.flip(runOn(instance, 1)))._tag, "InstanceLost")
      })
    laterCalls("in a worker of its own", alone)
    laterCalls("in a shared worker", shared)

    test("releases a model that was still loading in a worker that others share", function*() {
      const memory = sharedCells()
      const other = yield* open({}, shared, "v2")
      const loading = yield* Effect.forkChild(Effect.scoped(open({ cells: memory, load: "wait" }, shared)))
      while (Atomics.load(memory, cells.loaded) === 0) yield* Effect.sleep(1)
      yield* Fiber.interrupt(loading)
      assert.strictEqual(Atomics.load(memory, cells.loaded), 0)
      assert.deepStrictEqual(yield* run(other, 1), [2])
    })

    const neverEnding = (name: string, plan: ThreadPlan) =>
      test(`does not wait for ever for a run that never ends: ${name}`, function*() {
        const memory = sharedCells()
        const scope = yield* Scope.make()
        const host = yield* Layer.buildWithScope(Layer.fresh(hostLayer), scope)
        const hosted = yield* open({ cells: memory }, plan).pipe(Scope.provide(scope), Effect.provide(host))
        const runs = Atomics.load(memory, cells.runs)
        const running = yield* Effect.forkChild(Effect.flip(run(hosted, orders.spin)), { startImmediately: true })
        yield* changed(memory, cells.runs, runs)
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        while (closing.pollUnsafe() === undefined) {
          yield* TestClock.adjust("1 minute")
          yield* turn
        }
        assert.strictEqual((yield* Fiber.join(running))._tag, "InstanceLost")
      }, it.effect)
    neverEnding("in a worker of its own", alone)
    neverEnding("in a shared worker", shared)
  })
})
