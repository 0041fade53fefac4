/**
 * What a server goes on with when it is started again, whatever became of its registry meanwhile.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { spawnServer, temporaryDirectory } from "../harness/ServerProcess.ts"
import { eventually, irisRegistry, registryServer } from "./RegistryServer.ts"

const first = irisRegistry("v1")
const second = irisRegistry("v2", "v1")
/** The registry's own file is there, and no model. */
const broken = second.replace(/v2: \{ path: [^,]+/, "v2: { path: registry.yaml, plugin: sklearn-onnx")

const keptIn = (state: string) => existsSync(join(state, "registries")) ? readdirSync(join(state, "registries")) : []

type Served = Effect.Success<ReturnType<typeof registryServer>>

/** Servers one after the other, with one file and one state. */
const place = Effect.gen(function*() {
  const directory = yield* temporaryDirectory
  const file = join(directory, "registry.yaml")
  const state = join(directory, "state")
  writeFileSync(file, first)
  const env = { SLUICE_STATE_DIR: state, MODEL_REGISTRY: file }
  const server = registryServer({ registry: first, directory, env })
  /** Serves until the registry is known to be good, and is killed after that. */
  const killedAfter = <A, E>(use: (server: Served) => Effect.Effect<A, E, Scope.Scope>) =>
    Effect.scoped(Effect.gen(function*() {
      const served = yield* server
      yield* eventually(Effect.sync(() => keptIn(state)), (names) => names.some((name) => name.endsWith(".json")))
      yield* use(served)
      served.kill("SIGKILL")
      yield* served.ended
    }))
  return { directory, env, file, killedAfter, server, state }
})

/** What a file may have become while no server looked. */
const spoilt: Readonly<Record<string, (file: string) => void>> = {
  "is no registry": (file) => writeFileSync(file, "models: {}\n"),
  "is gone": (file) => rmSync(file),
  "names a model file that is missing": (file) =>
    writeFileSync(file, first.replace("iris/model.onnx", "iris/gone.onnx")),
  "names a plugin that is not there": (file) =>
    writeFileSync(file, first.replace("cache: false }", "cache: false, plugin: nosuch }"))
}

describe("a server that is started again", () => {
  it.live("goes on with the default that served before one that does not load", () =>
    Effect.gen(function*() {
      const { killedAfter, server } = yield* place
      yield* killedAfter(({ put }) => put(broken))
      const { ask, predict, put, read, status, until } = yield* server
      assert.strictEqual(read(), broken)
      const answer = yield* predict()
      assert.deepStrictEqual([answer.status, answer.headers["x-model-version"]], [200, "v1"])
      assert.strictEqual((yield* ask({ path: "/readyz" })).status, 200)
      assert.match((yield* status).pending_error?.[0] ?? "", /^iris@v2 does not become the default, v1 stays: /)
      const audited = yield* eventually(ask({ path: "/api/v1/audit" }), ({ text }) => text.includes("registry.load"))
      assert.include(audited.text, "iris@v2 does not become the default")
      assert.strictEqual((yield* put(second)).status, 200)
      yield* until(({ pending_error }) => pending_error === null)
      yield* eventually(predict(), ({ headers }) => headers["x-model-version"] === "v2")
    }))

  it.live("goes on with the entry that served before where the same version's new one does not load", () =>
    Effect.gen(function*() {
      const { killedAfter, server } = yield* place
      yield* killedAfter(({ put }) => put(first.replace(/path: [^,]+/, "path: registry.yaml, plugin: sklearn-onnx")))
      const { predict, status } = yield* server
      assert.strictEqual((yield* predict()).status, 200)
      assert.match((yield* status).pending_error?.[0] ?? "", /^iris@v1: its new entry was not taken: /)
    }))

  it.live.each(Object.entries(spoilt))(
    "goes on with what served last where the file %s, and says so",
    ([, spoil]) =>
      Effect.gen(function*() {
        const { file, killedAfter, server } = yield* place
        yield* killedAfter(() => Effect.sync(() => spoil(file)))
        const { ask, output, predict, status, until, write } = yield* server
        assert.strictEqual((yield* predict()).status, 200)
        const { by, pending_error } = yield* status
        assert.strictEqual(by, "last_known_good")
        assert.isNotNull(pending_error)
        assert.match(output(), /the registry file is not served as it is now/)
        assert.include((yield* ask({ path: "/api/v1/audit" })).text, "\"outcome\":\"refused\"")
        write(second)
        yield* until(({ by, pending_error }) => by === "file" && pending_error === null)
        yield* eventually(predict(), ({ headers }) => headers["x-model-version"] === "v2")
      })
  )

  it.live("does not start on a wrong file where nothing served before, or another file did", () =>
    Effect.gen(function*() {
      const { directory, env, killedAfter } = yield* place
      yield* killedAfter(() => Effect.void)
      mkdirSync(join(directory, "other"))
      const MODEL_REGISTRY = join(directory, "other", "registry.yaml")
      writeFileSync(MODEL_REGISTRY, "models: {}\n")
      const server = yield* spawnServer({ env: { ...env, MODEL_REGISTRY } })
      const { code, stderr } = yield* server.ended
      assert.strictEqual(code, 1)
      assert.match(stderr, /^sluice: .*other\/registry\.yaml:1: models: a registry needs at least one model\n$/)
    }))

  it.live("answers, whenever it was killed while it took a registry that does not load", () =>
    Effect.gen(function*() {
      const { killedAfter, server } = yield* place
      for (const killAfterMs of [0, 20]) {
        yield* killedAfter(Effect.fnUntraced(function*({ predict, put }) {
          assert.strictEqual((yield* predict()).status, 200)
          assert.strictEqual((yield* put(first)).status, 200)
          yield* Effect.forkChild(Effect.ignore(put(broken)), { startImmediately: true })
          yield* Effect.sleep(killAfterMs)
        }))
      }
      assert.strictEqual((yield* (yield* server).predict()).status, 200)
    }))
})
