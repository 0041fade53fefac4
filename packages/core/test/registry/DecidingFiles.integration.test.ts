import { assert, describe, it } from "@effect/vitest"
import { decidingFiles } from "@sluice/core/registry/DecidingFiles"
import * as Effect from "effect/Effect"
import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const folders = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "sluice-deciding-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

/** A model of two files, a folder beside them, and a plugin in a package. */
const modelIn = async (root: string) => {
  await mkdir(join(root, "model", "other"), { recursive: true })
  await mkdir(join(root, "plugin"))
  await writeFile(join(root, "model", "model.onnx"), "weights")
  await writeFile(join(root, "model", "tokenizer.json"), "tokens")
  await writeFile(join(root, "plugin", "main.ts"), "export default 1")
  await writeFile(join(root, "plugin", "package.json"), `{ "version": "1.0.0" }`)
  return root
}

const digestIn = (root: string) =>
  Effect.flatMap(
    decidingFiles(join(root, "model", "model.onnx"), pathToFileURL(join(root, "plugin", "main.ts")).href),
    ({ digest }) => digest
  )

const changes: Readonly<Record<string, (root: string) => Promise<unknown>>> = {
  "another model": (root) => writeFile(join(root, "model", "model.onnx"), "weightz"),
  "another tokenizer of the same size": (root) => writeFile(join(root, "model", "tokenizer.json"), "tokenz"),
  "external weights": (root) => writeFile(join(root, "model", "model.onnx.data"), new Uint8Array(3_000_000)),
  "a file by another name": (root) =>
    rename(join(root, "model", "tokenizer.json"), join(root, "model", "vocabulary.json")),
  "another plugin": (root) => writeFile(join(root, "plugin", "main.ts"), "export default 2"),
  "another release of the plugin": (root) => writeFile(join(root, "plugin", "package.json"), `{ "version": "1.0.1" }`),
  "a link to another file": async (root) => {
    await rm(join(root, "model", "tokenizer.json"))
    await symlink(join(root, "plugin", "main.ts"), join(root, "model", "tokenizer.json"))
  }
}

describe("decidingFiles", () => {
  it.effect.each(Object.keys(changes))("tells apart what differs by %s", (name) =>
    Effect.gen(function*() {
      const root = yield* folders
      yield* Effect.promise(() => modelIn(root))
      const before = yield* digestIn(root)
      assert.match(before, /^[0-9a-f]{64}$/)
      yield* Effect.promise(async () => changes[name]?.(root))
      assert.notStrictEqual(yield* digestIn(root), before)
    }).pipe(Effect.scoped))

  it.effect("is the same for the same files elsewhere, whenever they were written", () =>
    Effect.gen(function*() {
      const [one, two] = [yield* folders, yield* folders]
      yield* Effect.promise(() => modelIn(one))
      yield* Effect.promise(async () => {
        await modelIn(two)
        await utimes(join(two, "model", "tokenizer.json"), 1, 1)
        await writeFile(join(two, "model", "other", "unrelated"), "in a folder of its own")
      })
      assert.strictEqual(yield* digestIn(two), yield* digestIn(one))
    }).pipe(Effect.scoped))
})
