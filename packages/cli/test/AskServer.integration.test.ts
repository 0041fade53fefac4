/**
 * The commands that ask a running server, as processes: `predict` and `models`.
 */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { inRepository, TestServer } from "../../server/test/harness/ServerProcess.ts"
import { nowhere, type RunOptions, sluice, temporaryFolder } from "./SluiceProcess.ts"

const token = "sesame"
const withKey = { AUTH_TOKEN: token }

const asking = (args: ReadonlyArray<string>, options: RunOptions = { env: withKey }) =>
  Effect.flatMap(TestServer, ({ port }) => sluice([...args, "--url", `http://localhost:${port}`], options))

/** The predictions of an answer in JSON, in order. */
const predictions = (stdout: string): ReadonlyArray<unknown> =>
  JSON.parse(stdout).results.map((result: { readonly prediction?: unknown }) => result.prediction)

/** Failed with this sentence on stderr, alone, and nothing on stdout. */
const assertFailed = (
  ran: { readonly code: number | null; readonly stdout: string; readonly stderr: string },
  sentence: RegExp
) => {
  assert.match(ran.stderr, sentence)
  assert.strictEqual(ran.stderr.trim().split("\n").length, 1)
  assert.notMatch(ran.stderr, /\s+at .*\.ts/)
  assert.strictEqual(ran.stdout, "")
  assert.strictEqual(ran.code, 1)
}

layer(TestServer.layer({ env: withKey }), { excludeTestServices: true })("the commands that ask a server", (it) => {
  it.effect("predict prints a table of its texts", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* asking([
        "predict",
        "sentiment",
        "I love this product!",
        "Awful, it broke."
      ])
      assert.strictEqual(code, 0)
      const [header, first, second, , summary] = stdout.split("\n")
      assert.match(header ?? "", /^INPUT +PREDICTION +SCORES$/)
      assert.match(first ?? "", /^I love this product! +positive +positive \d/)
      assert.match(second ?? "", /^Awful, it broke\. +negative +negative \d/)
      assert.match(summary ?? "", /^sentiment@v1: 2 items in /)
      assert.strictEqual(stderr, "")
    }))

  it.effect("predict prints JSON for programs, by the version that is named", () =>
    Effect.gen(function*() {
      const { stdout } = yield* asking(["predict", "sentiment@v2", "I love this product!", "--output", "json"])
      const answer: unknown = JSON.parse(stdout)
      assert.include(answer, { model: "sentiment", model_version: "v2" })
      assert.deepStrictEqual(predictions(stdout), ["positive"])
      const embedded = yield* asking(["predict", "embeddings", "hello", "-o", "json"])
      assert.strictEqual(JSON.parse(embedded.stdout).results[0].embedding.length, 384)
    }))

  it.effect("predict reads texts, rows and records from standard input and files", () =>
    Effect.gen(function*() {
      const iris = "[[5.1, 3.5, 1.4, 0.2], [6.7, 3, 5.2, 2.3]]"
      const record = {
        "sepal length (cm)": 5.1,
        "sepal width (cm)": 3.5,
        "petal length (cm)": 1.4,
        "petal width (cm)": 0.2
      }
      const file = join(yield* temporaryFolder, "iris.json")
      writeFileSync(file, iris)
      const run = (args: ReadonlyArray<string>, input?: string) =>
        Effect.map(
          asking([...args, "-o", "json"], { env: withKey, ...(input === undefined ? {} : { input }) }),
          ({ stdout }) => predictions(stdout)
        )
      assert.deepStrictEqual(yield* run(["predict", "sentiment", "-"], "I love it!\n\nAwful, it broke.\n"), [
        "positive",
        "negative"
      ])
      assert.deepStrictEqual(yield* run(["predict", "iris", "-"], iris), ["setosa", "virginica"])
      assert.deepStrictEqual(yield* run(["predict", "iris", "--json", file]), ["setosa", "virginica"])
      assert.deepStrictEqual(yield* run(["predict", "iris", "--json", "-"], JSON.stringify(record)), ["setosa"])
    }))

  it.effect("predict keeps the order of an input that takes several calls, and the places of its mistakes", () =>
    Effect.gen(function*() {
      const rows = Array.from(
        { length: 300 },
        (_, index) => (index % 7 === 0 ? "[6.7, 3, 5.2, 2.3]" : "[5.1, 3.5, 1.4, 0.2]")
      )
      const many = yield* asking(["predict", "iris", "-", "-o", "json"], { env: withKey, input: rows.join("\n") })
      assert.deepStrictEqual(
        predictions(many.stdout),
        rows.map((_, index) => (index % 7 === 0 ? "virginica" : "setosa"))
      )
      const broken = yield* asking(["predict", "iris", "-"], {
        env: withKey,
        input: rows.map((row, index) => (index === 279 ? "[1]" : row)).join("\n")
      })
      assertFailed(broken, /^sluice: item 279: expected 4 features, got 1$/m)
    }))

  it.effect("predict says what is wrong with a model, a version or an input", () =>
    Effect.gen(function*() {
      assertFailed(yield* asking(["predict", "nope", "x"]), /no model is named "nope": `sluice models` lists/)
      assertFailed(yield* asking(["predict", "sentiment@v9", "x"]), /model "sentiment" has no version "v9"/)
      assertFailed(
        yield* asking(["predict", "iris", "--json", "-"], { env: withKey, input: "[1, 2" }),
        /standard input: it is not JSON: /
      )
    }))

  it.effect("take their key from --token, AUTH_TOKEN or .env, and says where to give it", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      assertFailed(
        yield* asking(["predict", "sentiment", "x"], { cwd: folder }),
        /asks for a key: give it with --token/
      )
      assertFailed(yield* asking(["predict", "sentiment", "x", "--token", "open"]), /does not take this key/)
      const byFlag = yield* asking(["predict", "sentiment", "x", "--token", token], { env: { AUTH_TOKEN: "open" } })
      assert.strictEqual(byFlag.code, 0)
      writeFileSync(join(folder, ".env"), `AUTH_TOKEN=${token}\n`)
      const byFile = yield* asking(["predict", "sentiment", "x"], { cwd: folder })
      assert.strictEqual(byFile.code, 0)
    }))

  it.effect("find the server at PORT, as one that is started here would listen", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      const ran = yield* sluice(["predict", "sentiment", "x"], { env: { ...withKey, PORT: String(port) } })
      assert.strictEqual(ran.code, 0)
    }))

  it.effect("say how to start a server where none answers", () =>
    Effect.gen(function*() {
      const unnamed = yield* sluice(["predict", "sentiment", "x"], { env: { PORT: "9" } })
      assertFailed(unnamed, /no server answers at http:\/\/localhost:9: start one with `sluice serve`/)
    }))

  it.effect("models lists what is served, in which state, by which plugin and why", () =>
    Effect.gen(function*() {
      const { code, stdout } = yield* asking(["models"])
      assert.strictEqual(code, 0)
      assert.match(
        stdout,
        /^sentiment@v1 \(default\) +ready +active +100 % +fp32 +cpu +sklearn-onnx +its outputs are /m
      )
      assert.match(stdout, /^sentiment@v2 +ready +candidate +0 % +int8 +cpu +text +the registry entry names it$/m)
    }))

  it.effect("models reads the registry file where no server answers, and says so", () =>
    Effect.gen(function*() {
      const { code, stderr, stdout } = yield* sluice(["models"], { env: { PORT: "9" } })
      assert.strictEqual(code, 0)
      assert.match(stderr, /no server answers at http:\/\/localhost:9; this is what the registry file says/)
      assert.match(
        stdout,
        /^sentiment@v1 \(default\) +active .* its outputs are .* config\/models\/sentiment_v1\/model\.onnx$/m
      )
    }))

  it.effect("models does not take a local file for the server that was named", () =>
    Effect.gen(function*() {
      assertFailed(yield* sluice(["models", "--url", nowhere]), /no server answers at http:\/\/127\.0\.0\.1:9/)
    }))

  it.effect("models reads the registry file although a server answers, when it is asked to", () =>
    Effect.gen(function*() {
      const { stdout } = yield* asking(["models", "--offline", "--output", "json"], { env: { PRECISION: "fp16" } })
      const { models, source } = JSON.parse(stdout)
      assert.strictEqual(source, "registry")
      const cells = models.find((model: { readonly model_id: string }) => model.model_id === "breast-cancer@v1")
      assert.include(cells, {
        plugin: "sklearn-onnx",
        plugin_reason: "the registry entry names it",
        precision: "fp16",
        file: "config/models/breast-cancer/model_fp16.onnx"
      })
    }))

  it.effect("models names the entries that no plugin can serve", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const registry = join(folder, "registry.yaml")
      writeFileSync(join(folder, "model.bin"), "not a model")
      writeFileSync(
        registry,
        `models:
  good:
    default_version: v1
    versions:
      v1: { path: ${inRepository("config/models/iris/model.onnx")} }
      old: { path: gone.onnx, status: retired }
  odd:
    default_version: v1
    versions: { v1: { path: model.bin } }
`
      )
      const { code, stderr, stdout } = yield* sluice(["models", "--offline"], { env: { MODEL_REGISTRY: registry } })
      assert.strictEqual(code, 1)
      assert.match(stderr, /^sluice: a server cannot start with this registry: odd@v1 cannot be served as it stands$/m)
      assert.match(stdout, /^good@v1 .* sklearn-onnx /m)
      assert.match(stdout, /^good@old .* none /m)
      assert.match(stdout, /^odd@v1 .* none +none of the plugins .* recognises this file/m)
    }))
})
