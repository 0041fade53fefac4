/**
 * Does what docs/how-to/get-models.md tells a user to do, in its order, with a hub of this test's own in the real one's place.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFile } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { fakeHub } from "../../../core/test/store/FakeHub.ts"
import { fencedBlocks, root } from "./Markdown.ts"

const execute = promisify(execFile)
const page = "docs/how-to/get-models.md"
const model = readFileSync(join(root, "config/models/sentiment_v2/model.onnx"))

const workspace = Effect.gen(function*() {
  const { url } = yield* fakeHub({
    repository: "sentence-transformers/all-MiniLM-L6-v2",
    files: {
      "onnx/model.onnx": model,
      "onnx/model_qint8_avx512.onnx": model,
      "tokenizer.json": readFileSync(join(root, "config/models/sentiment_v2/tokenizer.json")),
      "modules.json": Buffer.from("[{\"type\":\"sentence_transformers.models.Normalize\"}]")
    },
    large: ["onnx/model.onnx", "onnx/model_qint8_avx512.onnx"]
  })
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-docs-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )
  cpSync(join(root, "config"), join(folder, "config"), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
  return {
    folder,
    environment: {
      PATH: process.env["PATH"],
      HF_ENDPOINT: url,
      SLUICE_MODEL_STORE: join(folder, "store")
    }
  }
})

class Workspace extends Context.Service<Workspace, Effect.Success<typeof workspace>>()("sluice/test/Workspace") {
  static readonly layer = Layer.effect(Workspace, workspace)
}

const blocks = fencedBlocks(page)
const commands = blocks.flatMap((block, index) =>
  block.language === "bash" ? [{ block, answer: blocks[index + 1] }] : []
)

/** The hub of the test speaks http: on this machine, which has to be allowed. */
const allowed = (command: string): string =>
  `${command.replace("npx sluice", `"${join(root, "packages/cli/bin/sluice")}"`)}${
    /models (pull|add)/.test(command) ? " --allow-http" : ""
  }`

layer(Workspace.layer, { excludeTestServices: true })(page, (it) => {
  for (const { answer, block } of commands) {
    it.effect(`${block.place} does what it says`, () =>
      Effect.gen(function*() {
        const { environment, folder } = yield* Workspace
        const { stdout } = yield* Effect.promise(() =>
          execute("bash", ["-c", allowed(block.text)], { cwd: folder, env: environment })
        )
        if (answer?.language === "text") assert.strictEqual(stdout.trim(), answer.text.trim())
        else assert.isNotEmpty(stdout)
      }))
  }

  it.effect("leaves a registry that a server can start with", () =>
    Effect.gen(function*() {
      const { environment, folder } = yield* Workspace
      const { stdout } = yield* Effect.promise(() =>
        execute(join(root, "packages/cli/bin/sluice"), ["models", "--offline"], { cwd: folder, env: environment })
      )
      assert.match(stdout, /^minilm@v1 \(default\) +active .* text /m)
      assert.match(stdout, /^iris@v2 +candidate /m)
      assert.lengthOf(commands, 7)
    }))
})
