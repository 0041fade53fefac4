/**
 * A server with a keys file: what each key may do on every surface, and what becomes of it when it is revoked.
 */
import { assert, layer } from "@effect/vitest"
import { SluiceClient } from "@sluice/client/SluiceClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { request as nodeRequest } from "node:http"
import { join } from "node:path"
import { http, type HttpCall } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, temporaryDirectory } from "../harness/ServerProcess.ts"
import { keysText, testKey, writeKeys } from "./KeyFixtures.ts"

const caller = testKey("caller", { roles: ["predict"] })
const reader = testKey("reader", { roles: ["read"] })
const admin = testKey("ops", { roles: ["admin"] })
const trial = testKey("trial", { roles: ["predict", "read"], models: ["iris"] })
const local = testKey("local", { roles: ["admin"], models: ["iris"] })
const ended = testKey("ended", { roles: ["admin"], expires: "2020-01-01" })
const leaving = testKey("leaving", { roles: ["predict"] })
const limited = testKey("limited", { roles: ["predict"], limits: { requests: "2/d" } })
const keys = [caller, reader, admin, trial, local, ended, leaving, limited]

const makeServer = Effect.gen(function*() {
  const file = join(yield* temporaryDirectory, "api_keys.yaml")
  writeKeys(file, keysText(...keys))
  const server = yield* readyServer({ registry: leanRegistry, env: { API_KEYS_FILE: file, AUTH_TOKEN: "the-token" } })
  const call = (request: Omit<HttpCall, "port">) => http({ port: server.port, ...request })
  return {
    ...server,
    file,
    call,
    /** Asks with a key in a header of its own. */
    ask: (key: string, request: Omit<HttpCall, "port">) =>
      call({ ...request, headers: { ...request.headers, "x-api-key": key } })
  }
})

class KeyServer
  extends Context.Service<KeyServer, Effect.Success<typeof makeServer>>()("sluice/server/test/KeyServer")
{
  static readonly layer = Layer.effect(KeyServer, makeServer)
}

const iris = { model: "iris", features: [[1, 2, 3, 4]] }
const oip = { inputs: [{ name: "features", shape: [1, 4], datatype: "FP32", data: [1, 2, 3, 4] }] }

/** Every way to call `iris`, below Effect's HTTP and through it. */
const irisCalls = ["/api/v1/predict", "/v2/models/iris/infer"].flatMap((path) => {
  const body = path.startsWith("/v2") ? oip : iris
  return [{ path, body }, { path: `${path}?`, body }]
})

/** Asks for a WebSocket, and gives the status that comes instead: 101 where it is opened. */
const upgrade = (port: number, headers: Readonly<Record<string, string>>): Effect.Effect<number, Error> =>
  Effect.callback((resume) => {
    const request = nodeRequest({
      port,
      path: "/rpc/ws",
      agent: false,
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        ...headers
      }
    })
    const end = (answer: { readonly statusCode?: number | undefined }) => {
      request.destroy()
      resume(Effect.succeed(answer.statusCode ?? 0))
    }
    request.on("upgrade", end)
    request.on("response", end)
    request.on("error", (error) => resume(Effect.fail(error)))
    request.end()
  })

const transports = { WebSocket: SluiceClient.layerWs, HTTP: SluiceClient.layerHttp }

layer(KeyServer.layer, { excludeTestServices: true })("a server with a keys file", (it) => {
  it.effect("takes a key in each header, and AUTH_TOKEN for everything", () =>
    Effect.gen(function*() {
      const { call } = yield* KeyServer
      for (const key of [caller.key, "the-token"]) {
        for (const headers of [{ "x-token": key }, { "x-api-key": key }, { authorization: `Bearer ${key}` }]) {
          assert.strictEqual((yield* call({ path: "/models", headers })).status, 200)
          for (const each of irisCalls) assert.strictEqual((yield* call({ ...each, headers })).status, 200)
        }
      }
      assert.strictEqual((yield* call({ path: "/api/v1/audit", headers: { "x-token": "the-token" } })).status, 200)
    }))

  it.effect("has one answer for a key that is unknown, has ended, or is another's with a letter more", () =>
    Effect.gen(function*() {
      const { ask } = yield* KeyServer
      const answers = yield* Effect.forEach(
        [ended.key, `${admin.key}x`, "slc_ops.x", "x"],
        (key) => ask(key, { path: "/models", headers: { "x-request-id": "same" } })
      )
      for (const { status, text } of answers) assert.deepStrictEqual([status, text], [401, answers[0]!.text])
    }))

  it.effect("lets a key do what its roles say, in each surface's words", () =>
    Effect.gen(function*() {
      const { ask } = yield* KeyServer
      for (const each of irisCalls) assert.strictEqual((yield* ask(reader.key, each)).status, 403, each.path)
      const changes = [
        {
          method: "PUT",
          path: "/api/v1/registry",
          body: "models: {}",
          headers: { "content-type": "application/yaml" }
        },
        { method: "DELETE", path: "/api/v1/inference/cache/clear" },
        { path: "/api/v1/inference/warmup", body: { models: ["iris"] } },
        { path: "/v2/repository/models/iris/unload", body: {} },
        { path: "/api/v1/models/iris/rollout", body: { action: "pause" } },
        { path: "/api/v1/audit" }
      ]
      for (const each of changes) {
        for (const key of [caller.key, reader.key]) {
          const { status, text } = yield* ask(key, each)
          assert.strictEqual(status, 403, each.path)
          assert.include(text, "it has no role admin")
        }
      }
      const own = yield* ask(reader.key, { path: "/api/v1/predict", body: iris })
      assert.propertyVal(own.json(), "code", "forbidden")
      const openAi = yield* ask(reader.key, { path: "/v1/embeddings", body: { model: "embeddings", input: "x" } })
      assert.nestedPropertyVal(openAi.json(), "error.type", "permission_error")
      const v2 = yield* ask(reader.key, { path: "/v2/models/iris/infer", body: oip })
      assert.deepStrictEqual(v2.json(), { error: "the key is not allowed this: it has no role predict" })
      assert.strictEqual((yield* ask(caller.key, { path: "/api/v1/registry" })).status, 403)
      assert.strictEqual((yield* ask(reader.key, { path: "/api/v1/registry" })).status, 200)
    }))

  it.effect("holds routes to their rule however the path is written", () =>
    Effect.gen(function*() {
      const { ask } = yield* KeyServer
      for (
        const path of ["/api/v1/audit/", "/api/v1/audit?limit=1", "/api/v1/%61udit", "/API/V1/AUDIT", "//api/v1/audit"]
      ) {
        assert.notStrictEqual((yield* ask(caller.key, { path })).status, 200, path)
      }
      assert.strictEqual((yield* ask(caller.key, { method: "HEAD", path: "/api/v1/audit" })).status, 403)
    }))

  it.effect("shows a key for some models those, and the others as if they were not there", () =>
    Effect.gen(function*() {
      const { ask } = yield* KeyServer
      const text = (path: string) => Effect.map(ask(trial.key, { path }), ({ text }) => text)
      for (const path of ["/models", "/api/v1/models", "/v1/models"]) {
        const listed = yield* text(path)
        assert.include(listed, "iris")
        assert.notInclude(listed, "sentiment")
      }
      const index = yield* ask(trial.key, { path: "/v2/repository/index", body: {} })
      assert.deepStrictEqual((index.json() as ReadonlyArray<{ name: string }>).map(({ name }) => name), ["iris"])
      for (const path of ["/v2/models", "/v1/models"]) {
        assert.strictEqual((yield* ask(trial.key, { path: `${path}/iris` })).status, 200)
        const [other, unknown] = yield* Effect.forEach(
          ["sentiment", "nothing_"],
          (name) =>
            Effect.map(
              ask(trial.key, { path: `${path}/${name}` }),
              ({ status, text }) => [status, text.replaceAll(name, "")]
            )
        )
        assert.strictEqual(other?.[0], 404)
        assert.deepStrictEqual(
          String(other?.[1]).replace(/"request_id":"[^"]*"/, ""),
          String(unknown?.[1]).replace(/"request_id":"[^"]*"/, "")
        )
      }
      for (const each of irisCalls) assert.strictEqual((yield* ask(trial.key, each)).status, 200)
      for (const path of ["/api/v1/predict", "/api/v1/predict?"]) {
        const refused = yield* ask(trial.key, { path, body: { model: "sentiment", texts: ["fine"] } })
        assert.strictEqual(refused.status, 403)
        assert.include(refused.text, "model \\\"sentiment\\\" is not among its models")
      }
      assert.strictEqual((yield* ask(trial.key, { path: "/api/v1/registry" })).status, 403)
    }))

  it.effect("lets an admin of some models change those, and nothing that is about all", () =>
    Effect.gen(function*() {
      const { ask } = yield* KeyServer
      const load = (model: string) => ask(local.key, { path: `/v2/repository/models/${model}/load`, body: {} })
      assert.strictEqual((yield* load("iris")).status, 200)
      assert.strictEqual((yield* load("sentiment")).status, 404)
      assert.strictEqual((yield* ask(local.key, { path: "/api/v1/audit" })).status, 403)
    }))

  it.effect("holds a key to its own limits, and no other key to them", () =>
    Effect.gen(function*() {
      const { ask } = yield* KeyServer
      const [call] = irisCalls
      if (call === undefined) return assert.fail("no call to make")
      const statuses = yield* Effect.forEach(
        [1, 2, 3],
        () => Effect.map(ask(limited.key, call), ({ status }) => status)
      )
      assert.deepStrictEqual(statuses, [200, 200, 429])
      assert.strictEqual((yield* ask(caller.key, call)).status, 200)
    }))

  it.effect("names the key's id in the audit log, and no key anywhere", () =>
    Effect.gen(function*() {
      const server = yield* KeyServer
      yield* server.ask(admin.key, { path: "/v2/repository/models/iris/load", body: {} })
      const { entries } = (yield* server.ask(admin.key, { path: "/api/v1/audit" })).json() as {
        readonly entries: ReadonlyArray<{ readonly by: string }>
      }
      assert.strictEqual(entries[0]?.by, "http:ops")
      for (const { key } of keys) assert.notInclude(server.output(), key)
      assert.include(server.output(), "access   by AUTH_TOKEN and the keys of ")
    }))

  for (const [name, layerOf] of Object.entries(transports)) {
    it.effect(`holds to the same over RPC by ${name}`, () =>
      Effect.gen(function*() {
        const { port } = yield* KeyServer
        const outcomes = (token: string) =>
          Effect.gen(function*() {
            const sluice = yield* SluiceClient
            const outcome = <A, E extends { readonly _tag: string }>(
              ask: Effect.Effect<A, E>,
              of: (answer: A) => string
            ) => Effect.match(ask, { onSuccess: of, onFailure: (error) => error._tag })
            return [
              yield* outcome(sluice.models, ({ models }) =>
                [...new Set(models.map(({ name }) => name))].toSorted().join()),
              yield* outcome(sluice.predict(iris), ({ model }) =>
                model),
              yield* outcome(sluice.predict({ model: "sentiment", texts: ["fine"] }), ({ model }) => model)
            ]
          }).pipe(Effect.provide(layerOf({ url: `http://localhost:${port}`, token })))
        const all = "embeddings,iris,sentiment"
        assert.deepStrictEqual(yield* outcomes(caller.key), [all, "iris", "sentiment"])
        assert.deepStrictEqual(yield* outcomes("the-token"), [all, "iris", "sentiment"])
        assert.deepStrictEqual(yield* outcomes(reader.key), [all, "Forbidden", "Forbidden"])
        assert.deepStrictEqual(yield* outcomes(trial.key), ["iris", "iris", "Forbidden"])
        const refused = "Unauthenticated"
        assert.deepStrictEqual(yield* outcomes(ended.key), [refused, refused, refused])
      }))
  }

  it.effect("opens no WebSocket for a wrong key, one for a right key, and one for none, whose calls bring theirs", () =>
    Effect.gen(function*() {
      const { port } = yield* KeyServer
      const open = (headers: Readonly<Record<string, string>>) => upgrade(port, headers)
      for (const header of ["x-token", "x-api-key"]) assert.strictEqual(yield* open({ [header]: "wrong" }), 401, header)
      assert.strictEqual(yield* open({ authorization: "Bearer wrong" }), 401)
      assert.strictEqual(yield* open({ authorization: `Bearer ${ended.key}` }), 401)
      assert.strictEqual(yield* open({ authorization: `Bearer ${caller.key}` }), 101)
      assert.strictEqual(yield* open({}), 101)
    }))

  it.effect("refuses the next call of a key that is revoked, on connections that are open too", () =>
    Effect.gen(function*() {
      const server = yield* KeyServer
      yield* Effect.gen(function*() {
        const sluice = yield* SluiceClient
        assert.strictEqual((yield* sluice.predict(iris)).model, "iris")
        const others = keys.filter(({ id }) => id !== "leaving")
        writeKeys(server.file, keysText(...others, { ...leaving, revoked: "2026-11-21T10:00:00Z" }))
        yield* Effect.result(sluice.predict(iris)).pipe(
          Effect.repeat({
            until: (answer) => answer._tag === "Failure" && answer.failure._tag === "Unauthenticated",
            schedule: Schedule.spaced("10 millis")
          })
        )
      }).pipe(Effect.provide(SluiceClient.layerWs({ url: `http://localhost:${server.port}`, token: leaving.key })))
      for (const each of irisCalls) assert.strictEqual((yield* server.ask(leaving.key, each)).status, 401)
      for (const each of irisCalls) assert.strictEqual((yield* server.ask(caller.key, each)).status, 200)
      yield* server.printed("the keys file has changed: revoked leaving")
    }))

  it.effect("goes on with its keys when the file gets mistakes, and says which", () =>
    Effect.gen(function*() {
      const server = yield* KeyServer
      writeKeys(server.file, keysText(caller).replace("predict", "pardict"))
      yield* server.printed(/go on to hold[^]*keys\[0\]\.roles\[0\]: expected/)
      assert.strictEqual((yield* server.ask(caller.key, { path: "/models" })).status, 200)
      assert.strictEqual((yield* server.ask(admin.key, { path: "/models" })).status, 200)
    }))
})
