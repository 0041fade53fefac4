/**
 * `sluice models inspect` and `sluice models add`, on the models that ship and on copies of the registry.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { copyFileSync, cpSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fakeHub, repository } from "../../core/test/store/FakeHub.ts"
import { inRepository, readyServer } from "../../server/test/harness/ServerProcess.ts"
import { onnxModel } from "./OnnxModel.ts"
import { sluice, temporaryFolder } from "./SluiceProcess.ts"

const shipped = (path: string): string => inRepository(`config/models/${path}`)

/** A registry of one model, with its files beside it. */
const registryFolder = Effect.map(temporaryFolder, (folder) => {
  cpSync(shipped("iris"), join(folder, "models/iris"), { recursive: true })
  const registry = join(folder, "model_registry.yaml")
  writeFileSync(
    registry,
    "# Ours\nmodels:\n  iris:\n    default_version: v1\n    versions:\n      v1: { path: models/iris/model.onnx } # small\n"
  )
  return { folder, registry, env: { MODEL_REGISTRY: registry, SLUICE_MODEL_STORE: join(folder, "store") } }
})

describe("sluice models inspect", () => {
  it.live("says what a file is, without loading it", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* sluice(["models", "inspect", shipped("sentiment_v2/model.onnx")])
      assert.strictEqual(code, 0)
      assert.match(stdout, /^input +input_ids +INT64 +\[any, any\]$/m)
      assert.match(stdout, /^output +logits +FP32 +\[any, 2\]$/m)
      assert.match(stdout, /^precision +int8$/m)
      assert.match(stdout, /^operators +.*MatMulInteger 36/m)
      const json = yield* sluice(["models", "inspect", shipped("iris/model.onnx"), "-o", "json"])
      const report = JSON.parse(json.stdout)
      assert.deepStrictEqual(report.opsets, { "": 16, "ai.onnx.ml": 1 })
      assert.deepStrictEqual([report.format, report.precision], ["ONNX", "fp32"])
    }))

  it.live("names a file that is damaged, missing or none of ours", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const cut = join(folder, "cut.onnx")
      copyFileSync(shipped("iris/model.onnx"), cut)
      truncateSync(cut, 20_000)
      for (
        const [file, says] of [
          [cut, /it ends after 20000 of at least \d+ bytes/],
          [join(folder, "none.onnx"), /does not exist/],
          [folder, /is not a file/],
          [inRepository("package.json"), /is of no format that the configured plugins know/]
        ] as const
      ) {
        const { code, stderr } = yield* sluice(["models", "inspect", file])
        assert.strictEqual(code, 1)
        assert.match(stderr, says)
      }
    }))
})

describe("sluice models add", () => {
  it.live("writes an entry that a server serves, and leaves the rest as it was", () =>
    Effect.gen(function*() {
      const { env, folder, registry } = yield* registryFolder
      const before = readFileSync(registry, "utf8")
      cpSync(shipped("breast-cancer"), join(folder, "models/cells"), { recursive: true })
      const { code, stderr, stdout } = yield* sluice(
        ["models", "add", "cells", "--path", join(folder, "models/cells/model.onnx")],
        { env }
      )
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /^It is served by sklearn-onnx: /m)
      const after = readFileSync(registry, "utf8")
      assert.isTrue(after.startsWith(before))
      assert.include(after, "        path: \"models/cells/model.onnx\"\n")

      const server = yield* readyServer({ env })
      const url = `http://localhost:${server.port}`
      const row = JSON.stringify([Array.from({ length: 30 }, () => 1)])
      const predicted = yield* sluice(["predict", "cells", "-", "--url", url], { input: row })
      assert.match(predicted.stdout, /cells@v1: 1 item/)
    }))

  it.live("pulls a source first, and serves it with the tokenizer that lies at the top of its repository", () =>
    Effect.gen(function*() {
      const { env, registry } = yield* registryFolder
      const { url } = yield* fakeHub({
        files: {
          "onnx/model.onnx": readFileSync(shipped("sentiment_v2/model.onnx")),
          "tokenizer.json": readFileSync(shipped("sentiment_v2/tokenizer.json")),
          "modules.json": Buffer.from("[{\"type\":\"sentence_transformers.models.Normalize\"}]"),
          "1_Pooling/config.json": Buffer.from("{\"pooling_mode_mean_tokens\":false}")
        },
        large: ["onnx/model.onnx"]
      })
      const args = ["models", "add", "minilm", "--source", `hf:${repository}`, "--allow-http"]
      const { code, stderr, stdout } = yield* sluice([...args, "--lock", `${registry}.lock.json`, "-o", "json"], {
        env: { ...env, HF_ENDPOINT: url }
      })
      assert.strictEqual(code, 0, stderr)
      const { entry, model_id } = JSON.parse(stdout)
      assert.strictEqual(model_id, "minilm@v1")
      assert.deepInclude(entry, {
        plugin: "text",
        precision: "int8",
        status: "active",
        options: { task: "text-embedding", normalize: true }
      })
      assert.match(entry.path, /^store\/snapshots\/models--org--model\/[0-9a-f]{40}\/onnx\/model\.onnx$/)
      assert.match(stderr, /^note: the repository does not take the mean/m)
      const listed = yield* sluice(["models", "--offline"], { env })
      assert.match(listed.stdout, /^minilm@v1 \(default\) .* text +the registry entry names it/m)
    }))

  it.live("changes nothing where it does not work", () =>
    Effect.gen(function*() {
      const { env, folder, registry } = yield* registryFolder
      const before = readFileSync(registry, "utf8")
      mkdirSync(join(folder, "other"))
      writeFileSync(join(folder, "other/notes.txt"), "notes")
      const model = join(folder, "models/iris/model.onnx")
      for (
        const [args, expected, says] of [
          [["iris", "--path", model], 1, /model_registry\.yaml:6: iris@v1 is there already: .*--replace/],
          [["wine", "--path", join(folder, "other/notes.txt")], 1, /none of the plugins .* recognises this file/],
          [["wine", "--path", model, "--plugin", "nobody"], 1, /no plugin is named "nobody"/],
          [["wine", "--source", join(folder, "other")], 2, /it has no \.onnx file/]
        ] as const
      ) {
        const { code, stderr } = yield* sluice(["models", "add", ...args, "--lock", join(folder, "lock.json")], { env })
        assert.match(stderr, says)
        assert.strictEqual(code, expected, stderr)
      }
      assert.strictEqual(readFileSync(registry, "utf8"), before)
    }))

  it.live("refuses a model whose weights are not in its folder", () =>
    Effect.gen(function*() {
      const { env, folder, registry } = yield* registryFolder
      const before = readFileSync(registry, "utf8")
      const path = join(folder, "models/large.onnx")
      const add = sluice(["models", "add", "large", "--path", path, "--plugin", "onnx"], { env })
      for (
        const [location, says] of [
          ["large.bin", /keeps weights in "large\.bin", which is not beside it/],
          ["../model_registry.yaml", /which leads out of its folder/],
          ["link.bin", /a link that leads out of its folder/]
        ] as const
      ) {
        writeFileSync(path, onnxModel(Buffer.alloc(8), location))
        if (location === "link.bin") symlinkSync(registry, join(folder, "models/link.bin"))
        const { code, stderr } = yield* add
        assert.strictEqual(code, 1)
        assert.match(stderr, says)
      }
      assert.strictEqual(readFileSync(registry, "utf8"), before)
      writeFileSync(path, onnxModel(Buffer.alloc(8), "large.bin"))
      writeFileSync(join(folder, "models/large.bin"), "weights")
      assert.strictEqual((yield* add).code, 0)
    }))

  it.live("writes the first model of a registry that has none", () =>
    Effect.gen(function*() {
      const { env, folder, registry } = yield* registryFolder
      for (const text of ["# Ours\r\n", "models: {} # none yet\r\n", ""]) {
        writeFileSync(registry, text)
        const args = ["models", "add", "iris", "--path", join(folder, "models/iris/model.onnx")]
        const { code, stderr } = yield* sluice(args, { env })
        assert.strictEqual(code, 0, stderr)
        const after = readFileSync(registry, "utf8")
        assert.include(after, "path: \"models/iris/model.onnx\"")
        assert.notMatch(after, text === "" ? /\r/ : /[^\r]\n/)
      }
    }))

  it.live("adds later versions as candidates, and replaces one that it is told to", () =>
    Effect.gen(function*() {
      const { env, folder, registry } = yield* registryFolder
      const path = join(folder, "models/iris/model.onnx")
      yield* sluice(["models", "add", "iris@v2", "--path", path, "--plugin", "onnx"], { env })
      assert.match(
        readFileSync(registry, "utf8"),
        /v1: \{ path: models\/iris\/model\.onnx \} # small\n {6}v2:\n {8}path: .*\n {8}status: "candidate"\n {8}plugin: "onnx"\n/
      )
      const { code } = yield* sluice(["models", "add", "iris@v2", "--path", path, "--replace"], { env })
      assert.strictEqual(code, 0)
      assert.match(readFileSync(registry, "utf8"), /status: "candidate"\n {8}plugin: "sklearn-onnx"\n/)
    }))
})
