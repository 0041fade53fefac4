/**
 * Registries that take the place of one that is served, and versions that leave memory and come back.
 */
import { assert, describe, it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { InferRequest } from "@sluice/core/InferRequest"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import type { CacheLimits } from "@sluice/core/registry/VersionEviction"
import { Rollouts } from "@sluice/core/rollout/Rollouts"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cells, orders, sharedCells } from "../fixtures/ScriptedPlugin.ts"
import { engineLayer, registryWith, scripted, turn } from "../LocalEngine.ts"

type Needs = ModelRegistry | Inference | Rollouts

const test = (
  name: string,
  models: object,
  body: (memory: Int32Array) => Generator<Effect.Effect<unknown, unknown, Needs>, void, never>,
  limits?: CacheLimits
) =>
  it.live(name, () => {
    const memory = sharedCells()
    return Effect.gen(() => body(memory)).pipe(
      Effect.provide(engineLayer(registryWith(models, memory), limits)),
      Effect.provide(Logger.layer([]))
    )
  })

const openGate = (memory: Int32Array) => {
  Atomics.store(memory, cells.gate, 1)
  Atomics.notify(memory, cells.gate)
}

const ask = (model: string, version?: string, options: Partial<InferRequest> & { readonly value?: number } = {}) =>
  Effect.gen(function*() {
    const { value = 1, ...request } = options
    const { items, version: by } = yield* (yield* Inference).infer({
      model,
      version,
      routingKey: "caller",
      input: { _tag: "Items", items: [{ _tag: "Features", values: [value] }] },
      cache: "bypass",
      priority: "normal",
      timeoutMs: undefined,
      ...request
    })
    const [item] = items
    const answer = Number(Result.getOrThrow(item!).outputs["y"]?.data[0])
    return [by, answer] as const
  })

const apply = Effect.fnUntraced(function*(models: object, memory: Int32Array) {
  return yield* (yield* ModelRegistry).apply(registryWith(models, memory))
})

const settled = Effect.flatMap(ModelRegistry, (registry) => registry.settled)

const states = Effect.flatMap(
  ModelRegistry,
  (registry) => Effect.map(registry.list, (list) => list.map(({ model_id, state }) => `${model_id} ${state}`))
)

const until = Effect.fnUntraced(function*(isSo: () => boolean) {
  while (!isSo()) yield* turn
})

const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), ({ _tag }) => _tag)

const v = (factor: number, more: object = {}) => ({ ...scripted, options: { factor, ...more } })
const model = (default_version: string, versions: object, more: object = {}) => ({ default_version, versions, ...more })

const one = { numbers: model("v1", { v1: v(2) }) }

describe("a new registry", () => {
  test("adds a version that answers who names it", one, function*(memory) {
    const change = yield* apply({ numbers: model("v1", { v1: v(2), v2: v(3) }) }, memory)
    assert.deepStrictEqual(change, { added: ["numbers@v2"], changed: [], removed: [], rerouted: [] })
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers", "v2"), ["v2", 3])
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
  })

  test("moves traffic when the new default is ready, and not before", one, function*(memory) {
    const change = yield* apply({ numbers: model("v2", { v1: v(2), v2: v(3, { load: "wait" }) }) }, memory)
    assert.deepStrictEqual(change.rerouted, ["numbers"])
    yield* until(() => Atomics.load(memory, cells.loaded) === 2)
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    openGate(memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v2", 3])
  })

  test("loads a version anew beside the former one, which answers until then", one, function*(memory) {
    const change = yield* apply({ numbers: model("v1", { v1: v(5, { load: "wait" }) }) }, memory)
    assert.deepStrictEqual(change.changed, ["numbers@v1"])
    yield* until(() => Atomics.load(memory, cells.loaded) === 2)
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    openGate(memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 5])
    yield* until(() => Atomics.load(memory, cells.loaded) === 1)
  })

  test("leaves the former entry in place where the new one does not load, and says so", one, function*(memory) {
    yield* apply({ numbers: model("v1", { v1: v(5, { load: "fail" }) }) }, memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    const [info] = yield* (yield* ModelRegistry).list
    assert.strictEqual(info?.state, "ready")
    const told = yield* (yield* ModelRegistry).problems
    assert.match(told.join(), /^numbers@v1: its new entry was not taken: .*the file holds no model/)
    assert.match(info?.failure ?? "", /its new entry was not taken: .*the file holds no model/)
    yield* apply({ numbers: model("v1", { v1: v(7) }) }, memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 7])
    assert.isUndefined((yield* (yield* ModelRegistry).list)[0]?.failure)
    assert.deepStrictEqual(yield* (yield* ModelRegistry).problems, [])
  })

  test("does not route to a default that does not load", one, function*(memory) {
    yield* apply({ numbers: model("v2", { v1: v(2), v2: v(3, { load: "fail" }) }) }, memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    assert.strictEqual(yield* tagOf(ask("numbers", "v2")), "ModelNotReady")
    const told = yield* (yield* ModelRegistry).problems
    assert.match(told[0] ?? "", /numbers@v2 does not become the default, v1 stays: .*the file holds no model/)
  })

  test("leaves traffic where it is while a default of a former change still loads", one, function*(memory) {
    const next = { v2: v(3, { load: "wait" }) }
    yield* apply({ numbers: model("v2", { v1: v(2), ...next }) }, memory)
    yield* until(() => Atomics.load(memory, cells.loaded) === 2)
    yield* apply({ numbers: model("v2", { v1: v(2), ...next }), other: model("v1", { v1: v(4) }) }, memory)
    yield* until(() => Atomics.load(memory, cells.loaded) === 3)
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    yield* apply({ numbers: model("v2", next) }, memory)
    yield* until(() => Atomics.load(memory, cells.loaded) === 2)
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    openGate(memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v2", 3])
    assert.strictEqual(yield* tagOf(ask("numbers", "v1")), "VersionNotFound")
  })

  test("keeps what answers where its default fails, also when it has no place for it any more", one, function*(memory) {
    const failing = { v2: v(3, { load: "fail" }) }
    yield* apply({ numbers: model("v2", failing) }, memory)
    yield* apply({ numbers: model("v2", failing), other: model("v1", { v1: v(4) }) }, memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    assert.match((yield* (yield* ModelRegistry).problems).join(), /numbers@v2 does not become the default, v1 stays/)
  })

  test("serves its entry again when one that was refused is taken back", one, function*(memory) {
    yield* apply({ numbers: model("v1", { v1: v(5, { load: "fail" }) }) }, memory)
    yield* settled
    yield* apply(one, memory)
    yield* settled
    const registry = yield* ModelRegistry
    assert.deepStrictEqual(yield* registry.problems, [])
    assert.deepStrictEqual(yield* registry.failedDefaults, [])
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
  })

  test("does not route to a version whose new entry was refused", {
    numbers: model("v1", { v1: v(2), v2: v(3) })
  }, function*(memory) {
    yield* apply({ numbers: model("v2", { v1: v(2), v2: v(5, { load: "fail" }) }) }, memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    const told = yield* (yield* ModelRegistry).problems
    assert.match(told.join(), /^numbers@v2 does not become the default, v1 stays: its new entry was not taken: /)
    yield* apply({ numbers: model("v2", { v1: v(2), v2: v(3) }) }, memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v2", 3])
  })

  test("changes nothing where one of its entries cannot be served", one, function*(memory) {
    const wrong = { numbers: model("v1", { v1: v(9) }), other: model("v1", { v1: { ...scripted, plugin: "nobody" } }) }
    assert.strictEqual(yield* tagOf(apply(wrong, memory)), "EntryRefused")
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    assert.deepStrictEqual(yield* states, ["numbers@v1 ready"])
  })

  test("lets those who wait for a version that it drops have their answers", {
    numbers: model("v1", { v1: v(2), v2: v(3) }),
    other: model("v1", { v1: v(4) })
  }, function*(memory) {
    const waiting = yield* Effect.forkChild(ask("numbers", "v2", { value: orders.holdAside }), {
      startImmediately: true
    })
    const last = yield* Effect.forkChild(ask("other", "v1", { value: orders.holdAside }), { startImmediately: true })
    yield* until(() => Atomics.load(memory, cells.runs) >= 5)
    const change = yield* apply(one, memory)
    assert.deepStrictEqual(change.removed, ["numbers@v2", "other@v1"])
    yield* settled
    assert.strictEqual(yield* tagOf(ask("numbers", "v2")), "VersionNotFound")
    assert.strictEqual(yield* tagOf(ask("other")), "ModelNotFound")
    assert.strictEqual(Atomics.load(memory, cells.loaded), 3)
    openGate(memory)
    assert.deepStrictEqual(yield* Fiber.join(waiting), ["v2", 3 * orders.holdAside])
    assert.deepStrictEqual(yield* Fiber.join(last), ["v1", 4 * orders.holdAside])
    yield* until(() => Atomics.load(memory, cells.loaded) === 1)
  })

  test("that says the same changes nothing", one, function*(memory) {
    const change = yield* apply(one, memory)
    assert.deepStrictEqual(change, { added: [], changed: [], removed: [], rerouted: [] })
    yield* settled
    assert.strictEqual(Atomics.load(memory, cells.loaded), 1)
  })

  test("takes the place of one that is still being taken", one, function*(memory) {
    yield* apply({ numbers: model("v1", { v1: v(5, { load: "wait" }) }) }, memory)
    yield* until(() => Atomics.load(memory, cells.loaded) === 2)
    yield* apply({ numbers: model("v1", { v1: v(6) }) }, memory)
    openGate(memory)
    yield* settled
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 6])
    yield* until(() => Atomics.load(memory, cells.loaded) === 1)
  })

  test("refuses a version that it retires, when traffic has moved", one, function*(memory) {
    yield* apply({ numbers: model("v2", { v1: { ...v(2), status: "retired" }, v2: v(3) }) }, memory)
    yield* settled
    assert.strictEqual(yield* tagOf(ask("numbers", "v1")), "VersionRetired")
    assert.deepStrictEqual(yield* ask("numbers"), ["v2", 3])
  })
})

describe("the target of a rollout", () => {
  const allTo = (target_version: string) => ({
    rollout_strategy: { type: "canary", canary_percentage: 100, target_version }
  })
  const canary = { rollout_strategy: { type: "canary", canary_percentage: 1, target_version: "v2" } }
  const pinned = { ...v(2), keep_loaded: true }

  test("is loaded again for its callers when it was put away", {
    canary: model("v1", { v1: v(2), v2: v(3) }, allTo("v2")),
    halves: model("v1", { v1: v(2), v2: v(3) }, {
      rollout_strategy: { type: "ab_test", weights: { v1: 0.001, v2: 1000 } }
    })
  }, function*() {
    const registry = yield* ModelRegistry
    assert.strictEqual(yield* registry.clear, 4)
    assert.deepStrictEqual(yield* ask("canary"), ["v2", 3])
    assert.deepStrictEqual(yield* ask("halves"), ["v2", 3])
  })

  test(
    "is loaded for its callers when there was no room for it",
    { numbers: model("v1", { v1: v(2), v2: v(3) }, allTo("v2")) },
    function*() {
      assert.deepStrictEqual(yield* states, ["numbers@v1 ready", "numbers@v2 unloaded"])
      assert.deepStrictEqual(yield* ask("numbers"), ["v2", 3])
      assert.deepStrictEqual(yield* ask("numbers", "v1"), ["v1", 2])
      assert.deepStrictEqual(yield* ask("numbers"), ["v2", 3])
    },
    { versions: 1, bytes: Infinity }
  )

  test("begins its rollout anew when what it answers by has changed, and not by what is said of it", {
    numbers: model("v1", { v1: v(2), v2: v(3) }, canary)
  }, function*(memory) {
    const { act, status } = yield* Rollouts
    const percentage = Effect.map(status("numbers"), ({ percentage }) => percentage)
    yield* act("numbers", { action: "set_percentage", percentage: 100 }, "test", undefined)
    yield* apply({ numbers: model("v1", { v1: v(2), v2: { ...v(3), description: "better" } }, canary) }, memory)
    yield* settled
    assert.strictEqual(yield* percentage, 100)
    const changed = { v1: v(2), v2: v(5, { load: "wait" }) }
    yield* apply({ numbers: model("v1", changed, canary) }, memory)
    yield* until(() => Atomics.load(memory, cells.loaded) === 3)
    assert.deepStrictEqual(yield* ask("numbers"), ["v2", 3])
    openGate(memory)
    yield* settled
    assert.strictEqual(yield* percentage, 1)
    yield* act("numbers", { action: "set_percentage", percentage: 100 }, "test", undefined)
    yield* apply({ numbers: model("v1", { ...changed, v1: v(4) }, canary) }, memory)
    yield* settled
    assert.strictEqual(yield* percentage, 1)
  })

  it.live("begins its rollout anew when its file has other content, and not when it has another time", () => {
    const memory = sharedCells()
    const directory = mkdtempSync(join(tmpdir(), "sluice-target-"))
    const path = join(directory, "model.bin")
    const models = { numbers: model("v1", { v1: v(2), v2: { ...v(3), path } }, canary) }
    writeFileSync(path, "one")
    return Effect.gen(function*() {
      const { act, status } = yield* Rollouts
      const percentage = Effect.map(status("numbers"), ({ percentage }) => percentage)
      yield* act("numbers", { action: "set_percentage", percentage: 100 }, "test", undefined)
      utimesSync(path, 1, 1)
      assert.deepStrictEqual((yield* apply(models, memory)).changed, ["numbers@v2"])
      yield* settled
      assert.strictEqual(yield* percentage, 100)
      writeFileSync(path, "two")
      assert.deepStrictEqual((yield* apply(models, memory)).changed, ["numbers@v2"])
      yield* settled
      assert.strictEqual(yield* percentage, 1)
    }).pipe(
      Effect.provide(engineLayer(registryWith(models, memory))),
      Effect.provide(Logger.layer([])),
      Effect.ensuring(Effect.sync(() => rmSync(directory, { recursive: true })))
    )
  })

  test("leaves its callers to the default where it does not load again", {
    numbers: model("v1", { v1: pinned, v2: v(3) }, allTo("v2"))
  }, function*(memory) {
    assert.strictEqual(yield* (yield* ModelRegistry).clear, 1)
    Atomics.store(memory, cells.refuseLoad, 1)
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
  })

  test("leaves its callers to the default when it was put away by hand", {
    numbers: model("v1", { v1: v(2), v2: v(3) }, allTo("v2"))
  }, function*() {
    yield* (yield* ModelRegistry).unload("numbers", "v2")
    assert.deepStrictEqual(yield* ask("numbers"), ["v1", 2])
  })
})

describe("a version's warm-up", () => {
  const withWarmup = (factor: number, shape: ReadonlyArray<number>) =>
    model("v1", { v1: { ...v(factor), warmup: [{ x: shape }] } })

  test("fails it where the answer is no number, or the shape none of the model's", {
    // The product is beyond what FP32 holds.
    infinite: withWarmup(1e39, [2, 1]),
    wrong: withWarmup(2, [2, 3])
  }, function*() {
    const failures = (yield* (yield* ModelRegistry).list).map(({ failure, state }) => [state, failure])
    assert.deepStrictEqual(failures.map(([state]) => state), ["failed", "failed"])
    assert.match(failures[0]?.[1] ?? "", /a warm-up run gave NaN or an infinity in output "y"/)
    assert.match(failures[1]?.[1] ?? "", /warmup\.0: input "x": expected FP32 \[-1, 1\], got FP32 \[2, 3\]/)
  })
})

describe("a version in several precisions", () => {
  const models = {
    numbers: model("v1", {
      v1: {
        ...v(2),
        precision: "auto",
        int8_above_wait: 0,
        instances: 1,
        variants: { int8: "ScriptedPlugin.ts" },
        isolation: "thread"
      }
    })
  }

  test("answers in int8 while requests would wait too long", models, function*(memory) {
    const inference = yield* Inference
    const request = (value: number): InferRequest => ({
      model: "numbers",
      version: undefined,
      routingKey: "caller",
      input: { _tag: "Items", items: [{ _tag: "Features", values: [value] }] },
      cache: "bypass",
      priority: "normal",
      timeoutMs: undefined
    })
    const precisionOf = (value: number) => Effect.map(inference.infer(request(value)), ({ precision }) => precision)
    assert.strictEqual(yield* precisionOf(1), "fp32")
    const held = yield* Effect.forEach(
      Array.from({ length: 50 }, () => orders.holdAside),
      (value) => Effect.forkChild(precisionOf(value), { startImmediately: true })
    )
    openGate(memory)
    const precisions = yield* Effect.forEach(held, Fiber.join)
    assert.strictEqual(precisions[0], "fp32")
    assert.include(precisions, "int8")
    assert.strictEqual(yield* precisionOf(1), "fp32")
  })
})

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
