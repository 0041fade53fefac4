/**
 * Versions that leave memory and come back.
 */
import { assert, describe, it } from "@effect/vitest"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/testing/TestClock"
import { cells, orders, sharedCells } from "../fixtures/ScriptedPlugin.ts"
import { engineLayer, registryWith } from "../LocalEngine.ts"
import { apply, ask, model, openGate, settled, states, tagOf, test, until, v } from "./ScriptedRegistry.ts"

describe("versions in memory", () => {
  const both = { a: model("v1", { v1: v(2) }), b: model("v1", { v1: v(3) }) }
  const oneVersion = { versions: 1, bytes: Infinity }

  test("are as many as the limit says; others are loaded for those who ask", both, function*(memory) {
    const { unprovenDefaults } = yield* ModelRegistry
    assert.deepStrictEqual(yield* states, ["a@v1 ready", "b@v1 unloaded"])
    assert.deepStrictEqual(yield* unprovenDefaults, ["b"])
    assert.deepStrictEqual(yield* ask("b"), ["v1", 3])
    assert.deepStrictEqual(yield* unprovenDefaults, [])
    yield* until(() => Atomics.load(memory, cells.loaded) === 1)
    assert.deepStrictEqual(yield* states, ["a@v1 unloaded", "b@v1 ready"])
    assert.deepStrictEqual(yield* ask("a"), ["v1", 2])
    const { capacity, evictions, hits, loaded, misses } = yield* (yield* ModelRegistry).stats
    assert.deepStrictEqual({ capacity, evictions, hits, loaded, misses }, {
      capacity: 1,
      evictions: 2,
      hits: 0,
      loaded: 1,
      misses: 2
    })
  }, oneVersion)

  test("are loaded once, however many wait", {
    a: model("v1", { v1: v(2) }),
    b: model("v1", { v1: v(3, { load: "wait" }) })
  }, function*(memory) {
    const callers = yield* Effect.forEach(
      Array.from({ length: 20 }),
      () => Effect.forkChild(ask("b"), { startImmediately: true })
    )
    yield* until(() => Atomics.load(memory, cells.loaded) === 1)
    openGate(memory)
    for (const caller of callers) assert.deepStrictEqual(yield* Fiber.join(caller), ["v1", 3])
    assert.strictEqual((yield* (yield* ModelRegistry).stats).evictions, 1)
  }, oneVersion)

  test("are not waited for beyond a caller's deadline, and load all the same", {
    a: model("v1", { v1: v(2) }),
    b: model("v1", { v1: v(3, { load: "wait" }) })
  }, function*(memory) {
    assert.strictEqual(yield* tagOf(ask("b", undefined, { timeoutMs: 20 })), "DeadlineExceeded")
    const patient = yield* Effect.forkChild(ask("b"), { startImmediately: true })
    openGate(memory)
    assert.deepStrictEqual(yield* Fiber.join(patient), ["v1", 3])
  }, oneVersion)

  test("stay while somebody uses them", both, function*(memory) {
    const holding = yield* Effect.forkChild(ask("a", undefined, { value: orders.holdAside }), {
      startImmediately: true
    })
    yield* until(() => Atomics.load(memory, cells.runs) >= 2)
    assert.deepStrictEqual(yield* ask("b"), ["v1", 3])
    assert.deepStrictEqual(yield* states, ["a@v1 ready", "b@v1 ready"])
    openGate(memory)
    assert.deepStrictEqual(yield* Fiber.join(holding), ["v1", 2 * orders.holdAside])
    yield* until(() => Atomics.load(memory, cells.loaded) === 1)
  }, oneVersion)

  test("become the default only when they have shown that they load", {
    numbers: model("v1", { v1: v(2), v2: v(3, { load: "fail" }), v3: v(4) })
  }, function*(memory) {
    assert.deepStrictEqual(yield* states, ["numbers@v1 ready", "numbers@v2 unloaded", "numbers@v3 unloaded"])
    const versions = { v1: v(2), v2: v(3, { load: "fail" }), v3: v(4) }
    yield* apply({ numbers: model("v2", versions) }, memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    yield* apply({ numbers: model("v3", versions) }, memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v3", 4])
  }, oneVersion)

  test("stay where the registry pins them", {
    a: model("v1", { v1: { ...v(2), keep_loaded: true } }),
    b: model("v1", { v1: v(3) })
  }, function*() {
    assert.deepStrictEqual(yield* ask("b"), ["v1", 3])
    assert.deepStrictEqual(yield* states, ["a@v1 ready", "b@v1 ready"])
  }, oneVersion)

  test("are put away and loaded by hand", both, function*(memory) {
    const registry = yield* ModelRegistry
    yield* registry.unload("a", undefined)
    yield* registry.unload("a", "v1")
    assert.strictEqual(Atomics.load(memory, cells.loaded), 1)
    assert.strictEqual(yield* tagOf(ask("a")), "ModelNotReady")
    yield* registry.load("a", "v1")
    yield* registry.load("a", undefined)
    assert.deepStrictEqual(yield* ask("a"), ["v1", 2])
    assert.strictEqual(yield* tagOf(registry.load("nobody", undefined)), "ModelNotFound")
  })

  test("are put away when they are cleared, and come back on demand", both, function*(memory) {
    const registry = yield* ModelRegistry
    assert.strictEqual(yield* registry.clear, 2)
    assert.strictEqual(Atomics.load(memory, cells.loaded), 0)
    assert.deepStrictEqual(yield* ask("a"), ["v1", 2])
  })

  test(
    "tell who waits that they do not load",
    { a: model("v1", { v1: v(2) }), b: model("v1", { v1: v(3) }) },
    function*(memory) {
      Atomics.store(memory, cells.refuseLoad, 1)
      const exit = yield* Effect.exit(ask("b"))
      assert.isTrue(Exit.isFailure(exit))
      Atomics.store(memory, cells.refuseLoad, 0)
      yield* (yield* ModelRegistry).load("b", undefined)
      assert.deepStrictEqual(yield* ask("b"), ["v1", 3])
    },
    oneVersion
  )

  it.effect("that did not load for a caller are tried again for later ones, each time after twice the time", () => {
    const memory = sharedCells()
    const registry = registryWith({ a: model("v1", { v1: v(2) }), b: model("v1", { v1: v(3) }) }, memory)
    const retryAfterMs = Effect.map(
      Effect.flip(ask("b")),
      (error) => "retryAfterMs" in error ? error.retryAfterMs : undefined
    )
    return Effect.gen(function*() {
      Atomics.store(memory, cells.refuseLoad, 1)
      assert.strictEqual(yield* retryAfterMs, 100)
      yield* TestClock.adjust("60 millis")
      Atomics.store(memory, cells.refuseLoad, 0)
      assert.strictEqual(yield* retryAfterMs, 40)
      Atomics.store(memory, cells.refuseLoad, 1)
      yield* TestClock.adjust("40 millis")
      assert.strictEqual(yield* retryAfterMs, 200)
      Atomics.store(memory, cells.refuseLoad, 0)
      yield* TestClock.adjust("200 millis")
      assert.deepStrictEqual(yield* ask("b"), ["v1", 3])
      assert.isUndefined((yield* (yield* ModelRegistry).list).find(({ name }) => name === "b")?.retried)
    }).pipe(Effect.provide(engineLayer(registry, oneVersion)), Effect.provide(Logger.layer([])))
  })
})
