import { assert, describe, it } from "@effect/vitest"
import { RolloutStore } from "@sluice/core/rollout/RolloutStore"
import { layerFile } from "@sluice/core/rollout/RolloutStoreFile"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { fork } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { countsOf, rolloutStoreConformance, stateOf } from "./RolloutStoreConformance.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "sluice-rollouts-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** A store as another process would open it. */
const storeAt = (path: string) => Effect.provide(Effect.map(RolloutStore, (store) => store), layerFile(path))

const recorder = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([Logger.make<unknown, void>(({ message }) => {
    lines.push(String(message))
  })])
  return { lines, layer }
}

describe("RolloutStoreFile", () => {
  rolloutStoreConformance({
    layer: Layer.unwrap(Effect.map(folder, (path) => layerFile(join(path, "made", "when", "needed")))),
    run: it.live
  })

  it.live("survives its process", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const before = yield* storeAt(path)
      yield* before.write("m", undefined, stateOf(1))
      yield* before.report("m", stateOf(1).rolloutId, stateOf(1).step, "a", countsOf(4))
      const after = yield* storeAt(path)
      assert.deepStrictEqual(yield* after.read("m"), stateOf(1))
      assert.deepStrictEqual(yield* after.reports("m", stateOf(1).rolloutId, stateOf(1).step), [countsOf(4)])
    }).pipe(Effect.scoped))

  it.live("removes what a killed writer left once it is old, at the start and when it writes, and no other file", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const { rolloutId, step } = stateOf(1)
      const counts = join("m", `counts.${rolloutId}.${step}`)
      const aside = (id: number) => `.${id}0000000-0000-4000-8000-000000000000`
      const leave = (...names: ReadonlyArray<string>) =>
        Effect.promise(async () => {
          for (const name of names) await writeFile(join(path, name), "")
          for (const name of names.slice(1)) await utimes(join(path, name), 1000, 1000)
        })
      const names = (of: string) => Effect.promise(async () => (await readdir(join(path, of))).toSorted())
      const first = yield* storeAt(path)
      yield* first.write("m", undefined, stateOf(1))
      yield* first.report("m", rolloutId, step, "a", countsOf(1))
      yield* leave(join("m", aside(1)), join("m", aside(2)), join(counts, aside(3)), join("m", ".other"))
      const second = yield* storeAt(path)
      assert.deepStrictEqual(yield* names(counts), ["a.json"])
      assert.deepStrictEqual(yield* names("m"), [
        ".10000000-0000-4000-8000-000000000000",
        ".other",
        `counts.${rolloutId}.${step}`,
        "state.1.json"
      ])
      yield* leave(join("m", aside(1)), join("m", aside(2)))
      yield* second.write("m", 1, stateOf(2))
      assert.notInclude(yield* names("m"), aside(2))
      assert.include(yield* names("m"), aside(1))
    }).pipe(Effect.scoped))

  it.live("keeps no more files than it needs", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* storeAt(path)
      for (let revision = 1; revision <= 60; revision++) {
        const state = stateOf(revision, { step: revision })
        yield* store.write("m", revision === 1 ? undefined : revision - 1, state)
        yield* store.report("m", state.rolloutId, state.step, "a", countsOf(1))
      }
      const names = yield* Effect.promise(() => readdir(join(path, "m")))
      assert.lengthOf(names.filter((name) => name.startsWith("state.")), 20)
      assert.deepStrictEqual(names.filter((name) => name.startsWith("counts.")), [`counts.${stateOf(1).rolloutId}.60`])
      assert.lengthOf(names, 21)
    }).pipe(Effect.scoped))

  it.live("goes by the state before one that is damaged, says so once, and can be written to", () => {
    const { layer, lines } = recorder()
    return Effect.gen(function*() {
      const path = yield* folder
      const store = yield* storeAt(path)
      yield* store.write("m", undefined, stateOf(1))
      yield* store.write("m", 1, stateOf(2))
      yield* Effect.promise(() => writeFile(join(path, "m", "state.2.json"), "{\"rolloutId\": \"01"))
      assert.deepStrictEqual(yield* store.read("m"), stateOf(1))
      assert.deepStrictEqual(yield* store.read("m"), stateOf(1))
      assert.lengthOf(lines, 1)
      assert.include(lines[0], "state.2.json is damaged")
      assert.isTrue(yield* store.write("m", 1, stateOf(2, { phase: "paused" })))
      assert.strictEqual((yield* store.read("m"))?.phase, "paused")
    }).pipe(Effect.provide(layer), Effect.scoped)
  })

  it.live("takes a model for new whose only state is damaged, and reports that are for absent", () => {
    const { layer } = recorder()
    return Effect.gen(function*() {
      const path = yield* folder
      const store = yield* storeAt(path)
      yield* store.write("m", undefined, stateOf(7))
      yield* store.report("m", "r", 0, "a", countsOf(1))
      yield* store.report("m", "r", 0, "b", countsOf(2))
      yield* Effect.promise(() => writeFile(join(path, "m", "state.1.json"), ""))
      yield* Effect.promise(() => writeFile(join(path, "m", "counts.r.0", "a.json"), "{}"))
      assert.isUndefined(yield* store.read("m"))
      assert.deepStrictEqual(yield* store.reports("m", "r", 0), [countsOf(2)])
      assert.isTrue(yield* store.write("m", undefined, stateOf(1)))
      assert.deepStrictEqual(yield* store.read("m"), stateOf(1))
    }).pipe(Effect.provide(layer), Effect.scoped)
  })

  it.live("lets one of several processes win, and loses no state to processes that are killed", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const store = yield* storeAt(path)
      const writer = join(import.meta.dirname, "..", "fixtures", "RolloutWriter.ts")
      let revision = 0
      for (let generation = 0; generation < 2; generation++) {
        const children = Array.from({ length: 3 }, () => fork(writer, [path], { silent: true }))
        const won: Array<number> = []
        for (const child of children) child.on("message", (of) => won.push(Number(of)))
        // They write as fast as they can, and are in the midst of it when they are killed.
        yield* Effect.repeat(Effect.sleep("5 millis"), { until: () => won.length >= 40 })
        yield* Effect.promise(() =>
          Promise.all(children.map((child) => {
            const exit = once(child, "exit")
            child.kill("SIGKILL")
            return exit
          }))
        )
        const state = yield* store.read("m")
        assert.strictEqual(new Set(won).size, won.length, "one revision was won twice")
        assert.isAtLeast(state?.revision ?? 0, Math.max(revision, ...won))
        revision = (state?.revision ?? 0) + 1
        assert.isTrue(yield* store.write("m", state?.revision, stateOf(revision)))
      }
    }).pipe(Effect.scoped))
})
