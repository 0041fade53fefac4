/**
 * Targets of rollouts that are put away, or changed under their name.
 */
import { assert, describe, it } from "@effect/vitest"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { Rollouts } from "@sluice/core/rollout/Rollouts"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { cells, sharedCells } from "../fixtures/ScriptedPlugin.ts"
import { engineLayer, registryWith } from "../LocalEngine.ts"
import { apply, ask, model, openGate, settled, states, test, until, v } from "./ScriptedRegistry.ts"

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
