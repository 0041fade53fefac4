/**
 * Several processes as one server: what one of them is asked to do is done by all, and what one says holds for all.
 */
import { assert, describe, it } from "@effect/vitest"
import type { Readiness } from "@sluice/domain/ModelInfo"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { http } from "../harness/Http.ts"
import { gate, moodyServer, openGate } from "../harness/Moody.ts"
import { childrenOf } from "../harness/Processes.ts"
import { listeningServer } from "../harness/ServerProcess.ts"
import { eventually, irisRegistry, registryServer } from "../registry/RegistryServer.ts"

const env = { WORKERS: "2", DRAIN_DELAY: "0" }

/** Connections are shared out in turn: so many calls reach each process. */
const often = <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.forEach(Array.from({ length: 8 }), () => call)

const server = Effect.fnUntraced(function*(registry = irisRegistry("v1", "v2")) {
  const served = yield* registryServer({ registry, env })
  const repository = (verb: string) =>
    served.ask({ path: `/v2/repository/models/iris/${verb}`, body: { parameters: { version: "v2" } } })
  const state = Effect.map(
    served.ask({ method: "POST", path: "/v2/repository/index" }),
    (answer) =>
      (answer.json() as ReadonlyArray<{ readonly version: string; readonly state: string }>)
        .find(({ version }) => version === "v2")?.state
  )
  return { ...served, repository, states: Effect.map(often(state), (states) => [...new Set(states)]), state }
})

describe("two processes", () => {
  it.live("unload, load, clear and warm up together", () =>
    Effect.gen(function*() {
      const { ask, predict, repository, states } = yield* server(
        irisRegistry("v1", "v2").replaceAll(", cache: false", "")
      )
      assert.strictEqual((yield* repository("unload")).status, 200)
      assert.deepStrictEqual(yield* states, ["UNAVAILABLE"])
      assert.strictEqual((yield* repository("load")).status, 200)
      assert.deepStrictEqual(yield* states, ["READY"])

      yield* often(predict())
      const clear = (query: string) => ask({ method: "DELETE", path: `/api/v1/inference/cache/clear${query}` })
      // The same prediction, once in each process.
      assert.deepStrictEqual((yield* clear("")).json(), { cleared: 2 })
      assert.deepStrictEqual((yield* clear("?models=true")).json(), { cleared: 0, models: 4 })
      assert.deepStrictEqual(yield* states, ["UNAVAILABLE"])
      const warmed = yield* ask({ path: "/api/v1/inference/warmup", body: { models: ["iris@v2"] } })
      assert.strictEqual(warmed.status, 200)
      assert.deepStrictEqual(yield* states, ["READY"])
      assert.strictEqual((yield* ask({ path: "/v2/repository/models/nobody/load", body: {} })).status, 404)
    }))

  it.live("say which of them did not do it, where one ends meanwhile", () =>
    Effect.gen(function*() {
      const { pid, repository, state } = yield* server()
      const [stopped = 0] = childrenOf(pid)
      process.kill(stopped, "SIGSTOP")
      // One of them is handed to the stopped process, which is handed no more until it takes it.
      const unloading = yield* Effect.forEach(
        [1, 2],
        () => Effect.forkChild(repository("unload"), { startImmediately: true })
      )
      yield* eventually(state, (state) => state === "UNAVAILABLE")
      process.kill(stopped, "SIGKILL")
      const answers = yield* Effect.forEach(unloading, Fiber.join)
      const [incomplete] = answers.filter(({ status }) => status === 503)
      assert.match(incomplete?.text ?? "", /not known to be in process 1 of this server/)
      assert.deepStrictEqual(answers.map(({ status }) => status).toSorted((a, b) => a - b), [200, 503])
    }))

  it.live("take one of two registries that are sent at the same moment, and both serve it at once", () =>
    Effect.gen(function*() {
      const { ask, put, read } = yield* server(irisRegistry("v1"))
      const registry = ask({ path: "/api/v1/registry" })
      let etag = (yield* registry).headers["etag"] ?? ""
      for (let round = 0; round < 10; round++) {
        const texts = ["a", "b"].map((name) => irisRegistry("v1", `${name}${round}`))
        const answers = yield* Effect.forEach(texts, (text) => put(text, { "if-match": etag }), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(answers.map(({ status }) => status).toSorted((a, b) => a - b), [200, 412])
        etag = answers.find(({ status }) => status === 200)?.headers["etag"] ?? ""
        const seen = yield* often(registry)
        assert.deepStrictEqual([...new Set(seen.map(({ text }) => text))], [read()])
        assert.deepStrictEqual([...new Set(seen.map(({ headers }) => headers["etag"]))], [etag])
      }
    }))

  it.live("are ready when both are, whichever is asked, and stay so while one is replaced", () =>
    Effect.gen(function*() {
      yield* gate("slow")
      const { pid, port, printed } = yield* listeningServer(moodyServer({ slow: { load: "waits" } }, env))
      const [stopped = 0] = childrenOf(pid)
      process.kill(stopped, "SIGSTOP")
      yield* openGate("slow")
      // What the stopped process is handed waits there.
      const get = (path: string) => Effect.timeoutOption(http({ port, path }), "2 seconds")
      const answering = (path: string) =>
        Effect.repeat(get(path), { until: (answer) => answer._tag === "Some" }).pipe(
          Effect.flatMap(Effect.fromOption)
        )
      yield* eventually(
        answering("/api/v1/models"),
        ({ text }) => /"model_id":"slow@v1"[^}]*"state":"ready"/.test(text)
      )
      const unready = yield* answering("/readyz")
      assert.strictEqual(unready.status, 503)
      const { parts } = unready.json() as Readiness
      assert.deepInclude(parts, { name: "process 1", status: "not_ready", detail: "starting" })
      process.kill(stopped, "SIGCONT")

      const readyz = Effect.map(answering("/readyz"), ({ status }) => status)
      yield* eventually(readyz, (status) => status === 200)
      assert.deepStrictEqual([...new Set(yield* often(readyz))], [200])
      process.kill(stopped, "SIGKILL")
      const replaced = yield* Effect.forkChild(printed(/process 1 serves again/), { startImmediately: true })
      const statuses: Array<number> = []
      yield* Effect.tap(readyz, (status) => Effect.sync(() => statuses.push(status))).pipe(
        Effect.repeat({ until: () => replaced.pollUnsafe() !== undefined, schedule: Schedule.spaced("20 millis") })
      )
      assert.deepStrictEqual([...new Set([...statuses, ...yield* often(readyz)])], [200])
    }))
})
