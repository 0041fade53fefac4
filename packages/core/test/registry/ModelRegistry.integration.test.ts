import { assert, describe, it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { cells, orders, sharedCells } from "../fixtures/ScriptedPlugin.ts"
import { engineLayer, letters, registryWith, scripted, turn } from "../LocalEngine.ts"

const models = {
  numbers: {
    default_version: "v2",
    description: "Doubles numbers",
    versions: {
      v1: {
        ...scripted,
        description: "Triples them",
        options: { factor: 3 },
        status: "candidate",
        variants: { fp16: "LettersPlugin.ts" }
      },
      v2: scripted,
      v3: { ...scripted, status: "retired" }
    }
  },
  waiting: { default_version: "v1", versions: { v1: { ...scripted, options: { load: "wait" } } } },
  broken: { default_version: "v1", versions: { v1: { ...scripted, options: { load: "fail" } } } },
  codeless: { default_version: "v1", versions: { v1: { ...letters, options: { codec: "fails" } } } }
}

const test = (
  name: string,
  body: (memory: Int32Array) => Generator<Effect.Effect<unknown, unknown, ModelRegistry | Inference>, void, never>
) =>
  it.live(name, () => {
    const memory = sharedCells()
    return Effect.gen(() => body(memory)).pipe(
      Effect.provide(engineLayer(registryWith(models, memory))),
      Effect.provide(Logger.layer([]))
    )
  })

const openGate = (memory: Int32Array) => {
  Atomics.store(memory, cells.gate, 1)
  Atomics.notify(memory, cells.gate)
}

describe("ModelRegistry", () => {
  test("lists what each version does now, each model's default first, and not the retired", function*(memory) {
    const registry = yield* ModelRegistry
    const states = Effect.map(registry.list, (versions) => versions.map((version) => [version.model_id, version.state]))
    const others = [["broken@v1", "failed"], ["codeless@v1", "failed"]]
    assert.deepStrictEqual(yield* states, [
      ["numbers@v2", "ready"],
      ["numbers@v1", "ready"],
      ["waiting@v1", "loading"],
      ...others
    ])
    openGate(memory)
    yield* registry.settled
    assert.deepStrictEqual(yield* states, [
      ["numbers@v2", "ready"],
      ["numbers@v1", "ready"],
      ["waiting@v1", "ready"],
      ...others
    ])
  })

  test("says of a version what it is, and why it failed", function*() {
    const versions = yield* (yield* ModelRegistry).list
    const [second, first] = versions
    assert.deepStrictEqual(first, {
      name: "numbers",
      version: "v1",
      model_id: "numbers@v1",
      status: "candidate",
      state: "ready",
      default: false,
      traffic_percent: 0,
      description: "Triples them",
      precision: "fp32",
      device: "cpu",
      plugin: "scripted",
      plugin_reason: "the registry entry names it",
      lane: "worker"
    })
    assert.deepInclude(second, { version: "v2", default: true, traffic_percent: 100, description: "Doubles numbers" })
    assert.deepStrictEqual(
      versions.map(({ failure }) => failure?.replace(/.*?(the file|no tokenizer)/, "$1")).slice(3),
      [
        "the file holds no model",
        "no tokenizer lies beside it"
      ]
    )
  })

  test("keeps nothing running of a version that failed half open", function*(memory) {
    // Two versions of numbers, and the one that waits; the codec of the last failed when its model was loaded.
    while (Atomics.load(memory, cells.loaded) !== 3) yield* turn
    const states = (yield* (yield* ModelRegistry).list).map(({ state }) => state)
    assert.deepStrictEqual(states, ["ready", "ready", "loading", "failed", "failed"])
  })

  test("names a model's versions, and the version of a file", function*() {
    const registry = yield* ModelRegistry
    assert.strictEqual((yield* registry.get(undefined, undefined)).plan.entry.model, "numbers")
    assert.deepStrictEqual(yield* registry.versions("numbers"), ["v2", "v1"])
    assert.strictEqual((yield* Effect.flip(registry.versions("nobody")))._tag, "ModelNotFound")
    assert.deepStrictEqual(registry.byPath("ScriptedPlugin.ts"), { model: "numbers", version: "v2" })
    assert.isUndefined(registry.byPath("nowhere.onnx"))
  })

  it.effect("fails a version whose instances do not load again, and has it back when one has lived", () => {
    const memory = sharedCells()
    const { numbers } = models
    return Effect.gen(function*() {
      const registry = yield* ModelRegistry
      const stateBecomes = Effect.fnUntraced(function*(state: string) {
        while ((yield* registry.list)[0]?.state !== state) {
          yield* TestClock.adjust("100 millis")
          yield* turn
        }
      })
      Atomics.store(memory, cells.refuseLoad, 1)
      const unlucky = yield* Effect.forkChild(
        Effect.exit((yield* Inference).infer({
          model: "numbers",
          version: undefined,
          routingKey: "caller",
          input: { _tag: "Items", items: [{ _tag: "Features", values: [orders.exit] }] },
          cache: "bypass",
          priority: "normal",
          timeoutMs: undefined
        })),
        { startImmediately: true }
      )
      yield* stateBecomes("failed")
      yield* Fiber.interrupt(unlucky)
      const refused = yield* Effect.flip(registry.get("numbers", undefined))
      assert.deepInclude(refused, { _tag: "ModelNotReady", state: "failed" })
      assert.match((yield* registry.list)[0]?.failure ?? "", /the file holds no model/)
      Atomics.store(memory, cells.refuseLoad, 0)
      yield* stateBecomes("ready")
      assert.strictEqual((yield* registry.get("numbers", undefined)).plan.entry.version, "v2")
      assert.isUndefined((yield* registry.list)[0]?.failure)
    }).pipe(
      Effect.provide(engineLayer(registryWith({ numbers }, memory))),
      Effect.provide(Logger.layer([]))
    )
  })

  it.live("ends while a version is still loading, releases everything, and calls nothing a failure", () =>
    Effect.gen(function*() {
      const errors: Array<unknown> = []
      const collector = Logger.make(({ logLevel, message }) => logLevel === "Error" && errors.push(message))
      const memory = sharedCells()
      const { broken: _, codeless: __, ...sound } = models
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(engineLayer(registryWith(sound, memory)), scope).pipe(
        Effect.provide(Logger.layer([collector]))
      )
      while (Atomics.load(memory, cells.loaded) < 3) yield* turn
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(Atomics.load(memory, cells.loaded), 0)
      assert.deepStrictEqual(errors, [])
    }))

  it.effect.each<readonly [object, RegExp]>([
    [{ ...scripted, options: { factor: "three" } }, /options\.factor: .*number/],
    [{ ...scripted, plugin: "scribbled" }, /"scribbled".*scripted, letters/],
    [{ path: "ScriptedPlugin.ts" }, /scripted, letters.*"plugin:"/]
  ])(
    "refuses to start with the entry %j, in a sentence that names file and line",
    ([entry, reason]) =>
      Effect.gen(function*() {
        const registry = registryWith({ one: { default_version: "v1", versions: { v1: entry } } }, sharedCells())
        const error = yield* Effect.flip(Effect.scoped(Layer.build(engineLayer(registry))))
        assert.match(error.message, /fixtures\/registry\.yaml:5: model "one" version "v1": /)
        assert.match(error.message, reason)
      })
  )
})
