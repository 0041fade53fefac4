import { assert, describe, it } from "@effect/vitest"
import { readRegistry } from "@sluice/core/registry/RegistryFile"
import * as Effect from "effect/Effect"
import * as NodeFs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A registry in a directory of its own, with these files beside it. */
const makeRegistry = (text: string, files: ReadonlyArray<string>): string => {
  const directory = NodeFs.mkdtempSync(join(tmpdir(), "sluice-registry-"))
  for (const file of files) {
    NodeFs.mkdirSync(join(directory, file, ".."), { recursive: true })
    NodeFs.writeFileSync(join(directory, file), "")
  }
  const registry = join(directory, "model_registry.yaml")
  NodeFs.writeFileSync(registry, text)
  return registry
}

const text = `models:
  iris:
    default_version: v2
    versions:
      v1: { path: models/gone.onnx, status: retired }
      v2:
        path: models/iris.onnx
        variants:
          fp16: models/iris16.onnx
`

describe("readRegistry", () => {
  it.effect("finds its files beside the registry, wherever the process works", () =>
    Effect.gen(function*() {
      const file = makeRegistry(text, ["models/iris.onnx", "models/iris16.onnx"])
      const registry = yield* readRegistry(file)
      const version = registry.models[0]?.versions[1]
      assert.strictEqual(version?.file.absolute, join(file, "..", "models/iris.onnx"))
      assert.strictEqual(version?.file.written, "models/iris.onnx")
    }))

  it.effect("names model, version, path and line of each file that is missing, but not those of a retired version", () =>
    Effect.gen(function*() {
      const file = makeRegistry(text, [])
      const error = yield* Effect.flip(readRegistry(file))
      const sentence = (line: number, field: string, path: string) =>
        `${file}:${line}: models.iris.versions.v2.${field}: model "iris" version "v2" has its file at "${path}", but this ` +
        `file does not exist: ${join(file, "..", path)}`
      assert.strictEqual(
        error.message,
        [sentence(7, "path", "models/iris.onnx"), sentence(9, "variants.fp16", "models/iris16.onnx")].join("\n")
      )
    }))

  it.effect("refuses a directory in a model's place", () =>
    Effect.gen(function*() {
      const file = makeRegistry(text.replace("models/iris.onnx", "models"), ["models/iris16.onnx"])
      const error = yield* Effect.flip(readRegistry(file))
      assert.include(error.message, "has its file at \"models\", but this is a directory, not a file")
      assert.strictEqual(error.mistakes.length, 1)
    }))

  it.effect("says that the registry itself is missing", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(readRegistry("config/nowhere.yaml"))
      assert.strictEqual(error.message, "config/nowhere.yaml: this file does not exist")
    }))
})
