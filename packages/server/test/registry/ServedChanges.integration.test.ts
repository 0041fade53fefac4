/**
 * What callers of a real server notice of a change: versions that answer once they are there, and no more once they are gone.
 */
import { assert, describe, it } from "@effect/vitest"
import { entityTagOf } from "@sluice/core/registry/EntityTag"
import type { Readiness } from "@sluice/domain/ModelInfo"
import * as Effect from "effect/Effect"
import { copyFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { inRepository, temporaryDirectory } from "../harness/ServerProcess.ts"
import { eventually, irisRegistry, registryServer } from "./RegistryServer.ts"

const first = irisRegistry("v1")
const second = irisRegistry("v2", "v1")

interface CacheStats {
  readonly hits: number
  readonly loaded: number
  readonly versions: ReadonlyArray<{ readonly model_id: string; readonly state: string }>
}

const isOk = ({ status }: { readonly status: number }) => status === 200

describe("a changed registry", () => {
  it.live("by its file: the new version answers, and by default once it is ready", () =>
    Effect.gen(function*() {
      const { predict, write } = yield* registryServer({ registry: first })
      assert.strictEqual((yield* predict("v2")).status, 404)
      write(second)
      yield* eventually(predict("v2"), isOk)
      const answer = yield* eventually(predict(), ({ headers }) => headers["x-model-version"] === "v2")
      assert.strictEqual(answer.status, 200)
    }))

  it.live("by PUT: what is taken out of it is gone, and no request in between fails", () =>
    Effect.gen(function*() {
      const { predict, put } = yield* registryServer({ registry: irisRegistry("v1", "v2") })
      assert.strictEqual((yield* predict("v2")).status, 200)
      const asking = Effect.map(
        Effect.forEach(Array.from({ length: 100 }), () => predict()),
        (answers) => answers.map(({ status }) => status)
      )
      const [statuses, answer] = yield* Effect.all([asking, put(first)], { concurrency: "unbounded" })
      assert.strictEqual(answer.status, 200)
      assert.deepStrictEqual(new Set(statuses), new Set([200]))
      yield* eventually(predict("v2"), ({ status }) => status === 404)
    }))

  it.live("is what a restart serves", () =>
    Effect.gen(function*() {
      const directory = yield* Effect.scoped(Effect.gen(function*() {
        const server = yield* registryServer({ registry: first })
        assert.strictEqual((yield* server.put(second)).status, 200)
        server.kill("SIGKILL")
        yield* server.ended
        return server.read()
      }))
      const { predict, status } = yield* registryServer({ registry: directory })
      assert.strictEqual((yield* status).etag, entityTagOf(second))
      assert.strictEqual((yield* predict("v2")).status, 200)
    }))

  it.live("whose new default does not load leaves the former one, and says why in the registry's words", () =>
    Effect.gen(function*() {
      const { ask, directory, predict, put, until } = yield* registryServer({ registry: first })
      // The registry's own file is there, and no model.
      const broken = second.replace(/v2: \{ path: [^,]+/, "v2: { path: registry.yaml, plugin: sklearn-onnx")
      assert.strictEqual((yield* put(broken)).status, 200)
      const { pending_error } = yield* until((status) => status.pending_error !== null)
      assert.match(
        pending_error?.[0] ?? "",
        /^iris@v2 does not become the default, v1 stays: .*registry\.yaml cannot be read/
      )
      assert.notInclude(JSON.stringify(pending_error), directory)
      assert.strictEqual((yield* predict()).headers["x-model-version"], "v1")
      const audited = yield* eventually(ask({ path: "/api/v1/audit" }), ({ text }) => text.includes("registry.load"))
      assert.notInclude(audited.text, directory)
      assert.strictEqual((yield* put(first)).status, 200)
      yield* until((status) => status.pending_error === null)
    }))

  it.live("that no plugin can serve is refused with its line, by a dry run too", () =>
    Effect.gen(function*() {
      const { predict, put } = yield* registryServer({ registry: first })
      const wrong = second.replace("cache: false }", "cache: false, plugin: nosuch }")
      for (const query of ["?dry_run=true", ""]) {
        const answer = yield* put(wrong, {}, query)
        assert.strictEqual(answer.status, 422)
        assert.match(answer.text, /line 5: model \\"iris\\" version \\"v2\\"/)
      }
      assert.strictEqual((yield* predict()).headers["x-model-version"], "v1")
    }))
})

describe("the model repository", () => {
  it.live("unloads and loads a version, again without harm", () =>
    Effect.gen(function*() {
      const { ask } = yield* registryServer({ registry: irisRegistry("v1", "v2") })
      const change = (verb: string) =>
        ask({ path: `/v2/repository/models/iris/${verb}`, body: { parameters: { version: "v2" } } })
      const state = Effect.map(ask({ method: "POST", path: "/v2/repository/index" }), (answer) =>
        (answer.json() as ReadonlyArray<{ readonly version: string; readonly state: string }>)
          .find(({ version }) =>
            version === "v2"
          )?.state)
      for (const _ of [1, 2]) assert.strictEqual((yield* change("unload")).status, 200)
      yield* eventually(state, (state) => state === "UNAVAILABLE")
      for (const _ of [1, 2]) assert.strictEqual((yield* change("load")).status, 200)
      assert.strictEqual(yield* state, "READY")
    }))

  it.live("counts what is in memory, and clears what is idle", () =>
    Effect.gen(function*() {
      const { ask, predict } = yield* registryServer({ registry: irisRegistry("v1", "v2") })
      const stats = Effect.map(ask({ path: "/api/v1/inference/cache/stats" }), (answer) => answer.json() as CacheStats)
      const before = yield* stats
      assert.strictEqual(before.loaded, 2)
      yield* predict()
      assert.isAbove((yield* stats).hits, before.hits)
      const cleared = yield* ask({ method: "DELETE", path: "/api/v1/inference/cache/clear?models=true" })
      assert.deepStrictEqual(cleared.json(), { cleared: 0, models: 2 })
      yield* eventually(stats, ({ loaded }) => loaded === 0)
      const warmed = yield* ask({ path: "/api/v1/inference/warmup", body: { models: ["iris@v2"] } })
      assert.strictEqual(warmed.status, 200)
      assert.deepStrictEqual(
        (yield* stats).versions.filter(({ state }) => state === "ready").map(({ model_id }) => model_id),
        ["iris@v2"]
      )
    }))

  it.live("loads again, for who asks later, what did not load for a caller, and stays ready meanwhile", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const model = join(directory, "late.onnx")
      writeFileSync(model, "no model")
      const late =
        `  late:\n    default_version: v1\n    versions:\n      v1: { path: ${model}, plugin: sklearn-onnx }\n`
      const { ask } = yield* registryServer({ registry: `${first}${late}`, env: { MODEL_CACHE_SIZE: "1" } })
      const predict = ask({ path: "/api/v1/predict", body: { model: "late", features: [[5.1, 3.5, 1.4, 0.2]] } })
      const refused = yield* predict
      assert.deepStrictEqual([refused.status, refused.headers["retry-after"]], [503, "1"])
      const readyz = yield* ask({ path: "/readyz" })
      assert.strictEqual(readyz.status, 200)
      assert.deepInclude((readyz.json() as Readiness).parts, { name: "late@v1", status: "degraded", detail: "failed" })
      copyFileSync(inRepository("config/models/iris/model.onnx"), model)
      yield* eventually(predict, isOk)
    }))
})
