import { assert, describe, it } from "@effect/vitest"
import { defaultCacheDirectory, makePlanStore, type PlanKey } from "@sluice/core/tuning/PlanStore"
import type { PlanTable } from "@sluice/core/tuning/PlanTable"
import * as Effect from "effect/Effect"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const key: PlanKey = {
  model: "ab12",
  plugin: "text",
  options: { task: "text-embedding", max_tokens: 64 },
  device: "cpu",
  cpu: "A processor",
  cores: 2,
  instances: 0,
  threads: 0,
  node: "v24.0.0",
  runtime: "1.30.0"
}

const table: PlanTable = {
  points: [{ instances: 2, threads: 1, batch: 1, cost: 16, itemsPerSecond: 250.5, aloneMs: 7.7 }],
  othersBusy: 0.01,
  measuredAt: "2026-01-02T03:04:05.000Z",
  complete: true
}

const temporary = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "sluice-plans-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true }))
)

const filesIn = (directory: string) => Fs.readdirSync(join(directory, "plans"))

describe("makePlanStore", () => {
  it.effect("finds what was kept, whatever the order of the options", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const store = makePlanStore(directory)
      assert.isTrue(yield* store.isEmpty)
      assert.isUndefined(yield* store.find(key))
      yield* store.keep(key, table)
      assert.isFalse(yield* store.isEmpty)
      const again = makePlanStore(directory)
      assert.deepStrictEqual(
        yield* again.find({ ...key, options: { max_tokens: 64, task: "text-embedding" } }),
        table
      )
    }))

  it.effect("finds nothing for another file, machine, runtime or option", () =>
    Effect.gen(function*() {
      const store = makePlanStore(yield* temporary)
      yield* store.keep(key, table)
      const others: ReadonlyArray<Partial<PlanKey>> = [
        { model: "ab13" },
        { cpu: "Another" },
        { cores: 4 },
        { threads: 2 },
        { runtime: "1.31.0" },
        { node: "v25.0.0" },
        { options: { task: "text-embedding", max_tokens: 65 } }
      ]
      for (const other of others) assert.isUndefined(yield* store.find({ ...key, ...other }))
    }))

  it.effect.each<readonly [string, string | ((text: string) => string)]>([
    ["is cut off", (text) => text.slice(0, -20)],
    ["is no JSON", "points"],
    ["has another shape", `{"key":{},"table":{"points":[]}}`],
    ["is of another model", (text) => text.replace("ab12", "ab13")],
    ["has a figure that cannot be", (text) => text.replace("250.5", "-1")]
  ])("takes a file for absent that %s", ([, change]) =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const store = makePlanStore(directory)
      yield* store.keep(key, table)
      const [name = ""] = filesIn(directory)
      const path = join(directory, "plans", name)
      const text = Fs.readFileSync(path, "utf8")
      Fs.writeFileSync(path, typeof change === "string" ? change : change(text))
      assert.isUndefined(yield* store.find(key))
      yield* store.keep(key, table)
      assert.deepStrictEqual(yield* store.find(key), table)
    }))

  it.effect("leaves one file a key behind, and replaces it as a whole", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      const store = makePlanStore(directory)
      yield* Effect.all([1, 2, 3, 4].map(() => store.keep(key, table)), { concurrency: "unbounded" })
      assert.strictEqual(filesIn(directory).length, 1)
    }))

  it.effect("says what to change where it cannot write", () =>
    Effect.gen(function*() {
      const directory = yield* temporary
      Fs.writeFileSync(join(directory, "plans"), "")
      const error = yield* Effect.flip(makePlanStore(directory).keep(key, table))
      assert.match(error.message, /SLUICE_CACHE_DIR/)
    }))
})

describe("defaultCacheDirectory", () => {
  it("is where the user's caches are", () => {
    assert.strictEqual(defaultCacheDirectory({ XDG_CACHE_HOME: "/caches" }), "/caches/sluice")
    assert.match(defaultCacheDirectory({ XDG_CACHE_HOME: "" }), /\.cache\/sluice$/)
  })
})
