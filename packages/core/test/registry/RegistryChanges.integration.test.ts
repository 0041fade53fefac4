/**
 * Registries that take the place of one that is served.
 */
import { assert, describe } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { InferRequest } from "@sluice/core/InferRequest"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { cells, orders } from "../fixtures/ScriptedPlugin.ts"
import { scripted } from "../LocalEngine.ts"
import { apply, ask, model, openGate, settled, states, tagOf, test, until, v } from "./ScriptedRegistry.ts"

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
