/**
 * The registry that served last, on real files.
 */
import { assert, describe, it } from "@effect/vitest"
import { lastKnownGood } from "@sluice/core/registry/LastKnownGood"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-kept-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const live = (name: string, test: (directory: string) => Effect.Effect<void>) =>
  it.live(name, () => Effect.flatMap(folder, test).pipe(Effect.provide(Logger.layer([]))))

describe("LastKnownGood", () => {
  live("is what was kept last, of this registry file and of no other", (directory) =>
    Effect.gen(function*() {
      const path = join(directory, "made", "when-needed.json")
      const kept = lastKnownGood(path, "registry.yaml")
      assert.isUndefined(yield* kept.read)
      yield* kept.keep("first")
      yield* kept.keep("second")
      assert.strictEqual(yield* lastKnownGood(path, join(process.cwd(), "registry.yaml")).read, "second")
      assert.isUndefined(yield* lastKnownGood(path, "other.yaml").read)
      assert.deepStrictEqual(readdirSync(join(directory, "made")), ["when-needed.json"])
    }))

  live("is nothing where the file is damaged, or the text in it was changed", (directory) =>
    Effect.gen(function*() {
      const path = join(directory, "kept.json")
      const kept = lastKnownGood(path, "registry.yaml")
      yield* kept.keep("first")
      const whole = readFileSync(path, "utf8")
      for (const damaged of ["", whole.slice(0, -5), whole.replace("first", "other")]) {
        writeFileSync(path, damaged)
        assert.isUndefined(yield* kept.read)
      }
    }))

  live(
    "is kept of each model where another one does not load, until all of them do",
    (directory) =>
      Effect.gen(function*() {
        const path = join(directory, "kept.json")
        const kept = lastKnownGood(path, "registry.yaml")
        const texts = (...names: ReadonlyArray<string>) => Effect.forEach(names, kept.readModel)
        yield* kept.keepModels("first", ["a"])
        assert.isUndefined(yield* kept.read)
        assert.deepStrictEqual(yield* texts("a", "b"), ["first", undefined])
        yield* kept.keep("second")
        yield* kept.keepModels("third", ["b"])
        assert.strictEqual(yield* kept.read, "second")
        assert.deepStrictEqual(yield* texts("a", "b"), ["second", "third"])
        writeFileSync(path, readFileSync(path, "utf8").replace("third", "other"))
        assert.deepStrictEqual(yield* texts("a", "b"), ["second", "second"])
        yield* kept.keep("fourth")
        assert.deepStrictEqual(yield* texts("a", "b"), ["fourth", "fourth"])
      })
  )

  live("that cannot be kept harms nobody", (directory) =>
    Effect.gen(function*() {
      writeFileSync(join(directory, "file"), "")
      const kept = lastKnownGood(join(directory, "file", "kept.json"), "registry.yaml")
      yield* kept.keep("first")
      assert.isUndefined(yield* kept.read)
    }))
})
