/**
 * How the server stops: nobody who was accepted goes without an answer, and it does stop.
 */
import { assert, describe, it } from "@effect/vitest"
import { SluiceClient } from "@sluice/client/SluiceClient"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { Agent, request } from "node:http"
import { http } from "../harness/Http.ts"
import { gate, mood, moodyServer, occupy, openGate } from "../harness/Moody.ts"
import { listeningServer, readyServer, type RunningServer, TestServer } from "../harness/ServerProcess.ts"

const irisBody = { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]], use_cache: false }

const predict = (port: number) => http({ port, path: "/api/v1/predict", body: irisBody })

/** Asks again and again on one connection, until an answer says that it is the last; gives every status. */
const askUntilLast = ({ port }: RunningServer): Effect.Effect<ReadonlyArray<number>, Error> =>
  Effect.callback((resume) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const statuses: Array<number> = []
    const next = () => {
      const call = request({
        port,
        path: "/api/v1/predict",
        method: "POST",
        headers: { "content-type": "application/json" },
        agent
      })
      call.on("response", (response) => {
        statuses.push(response.statusCode ?? 0)
        response.resume().on("end", () => {
          if (response.headers.connection === "close") resume(Effect.succeed(statuses))
          else next()
        })
      })
      call.on("error", (error) => resume(Effect.fail(error)))
      call.end(JSON.stringify(irisBody))
    }
    next()
    return Effect.sync(() => agent.destroy())
  })

/** It ends by itself, and had nothing to complain of. */
const endsWell = (server: RunningServer) =>
  Effect.map(server.ended, ({ code, signal, stderr }) => {
    assert.deepStrictEqual({ code, signal }, { code: 0, signal: null })
    for (const line of stderr.trimEnd().split("\n")) assert.match(line, /"level":"(info|warn)"/)
  })

const onServer = <A, E, R>(server: RunningServer, effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, TestServer, server)

const sluice = ({ port }: RunningServer) => SluiceClient.layerWs({ url: `http://localhost:${port}` })

// Each has a server and gates of its own, and mostly waits.
describe.concurrent("SIGTERM", () => {
  it.live("under load loses no request", () =>
    Effect.gen(function*() {
      const server = yield* readyServer(moodyServer({ loaded: {} }))
      const waiting = yield* onServer(server, occupy("loaded"))
      const clients = yield* Effect.forEach(
        Array.from({ length: 16 }),
        () => Effect.forkChild(askUntilLast(server), { startImmediately: true })
      )
      yield* Effect.repeat(predict(server.port), { times: 20 })
      server.kill("SIGTERM")
      const statuses = (yield* Effect.forEach(clients, Fiber.join)).flat()
      assert.isAbove(statuses.length, 16)
      assert.deepStrictEqual([...new Set(statuses)], [200])
      yield* openGate("loaded")
      assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
      yield* endsWell(server)
    }))

  it.live("fails readiness first, while requests are still answered", () =>
    Effect.gen(function*() {
      const server = yield* readyServer({ ...moodyServer({}, { DRAIN_DELAY: "1 minute" }) })
      const ask = (path: string) => http({ port: server.port, path })
      assert.strictEqual((yield* ask("/readyz")).status, 200)
      server.kill("SIGTERM")
      yield* server.printed("stopping")
      const ready = yield* ask("/readyz")
      assert.strictEqual(ready.status, 503)
      assert.deepStrictEqual(ready.json(), {
        ready: false,
        parts: [
          { name: "iris@v1", status: "ready" },
          { name: "server", status: "not_ready", detail: "draining" }
        ]
      })
      assert.strictEqual((yield* ask("/v2/health/ready")).status, 503)
      assert.strictEqual((yield* ask("/livez")).status, 200)
      assert.propertyVal((yield* ask("/api/v1/inference/health")).json(), "status", "draining")
      assert.strictEqual((yield* predict(server.port)).status, 200)
      const { results } = yield* Effect.flatMap(SluiceClient, (client) => client.predict(irisBody)).pipe(
        Effect.provide(sluice(server))
      )
      assert.strictEqual(results.length, 1)
    }))

  it.live("is not held up by connections that are idle", () =>
    Effect.gen(function*() {
      const server = yield* readyServer(moodyServer({}))
      const agent = yield* Effect.acquireRelease(
        Effect.sync(() => new Agent({ keepAlive: true })),
        (agent) => Effect.sync(() => agent.destroy())
      )
      yield* Effect.callback<void>((resume) => {
        request({ port: server.port, path: "/livez", agent }, (response) => {
          response.resume().on("end", () => resume(Effect.void))
        }).end()
      })
      yield* Effect.gen(function*() {
        const client = yield* SluiceClient
        assert.strictEqual((yield* client.health).status, "active")
        server.kill("SIGTERM")
        yield* endsWell(server)
      }).pipe(Effect.provide(sluice(server)))
    }))

  it.live("lets RPC calls in flight finish, and sends new ones elsewhere", () =>
    Effect.gen(function*() {
      const server = yield* readyServer(moodyServer({ called: {} }, { DRAIN_DELAY: "0" }))
      yield* gate("called")
      yield* Effect.gen(function*() {
        const client = yield* SluiceClient
        const waiting = yield* Effect.forkChild(
          client.predict({ model: "called", features: [[mood.waits]], use_cache: false })
        )
        yield* server.printed("moody waits")
        server.kill("SIGTERM")
        const refused = yield* client.predict(irisBody).pipe(
          Effect.flip,
          Effect.eventually
        )
        assert.strictEqual(refused._tag, "ServerDraining")
        yield* openGate("called")
        const { results } = yield* Fiber.join(waiting)
        assert.strictEqual(results[0]?.prediction, mood.waits * 2)
        yield* endsWell(server)
      }).pipe(Effect.provide(sluice(server)))
    }))

  it.live("waits for what never ends as long as is configured, and gives its worker ten seconds more", () =>
    Effect.gen(function*() {
      const server = yield* readyServer(moodyServer({ stuck: {} }, { DRAIN_DELAY: "0", SHUTDOWN_TIMEOUT: "100ms" }))
      const waiting = yield* onServer(server, occupy("stuck"))
      server.kill("SIGTERM")
      const { code, signal } = yield* server.ended
      assert.deepStrictEqual({ code, signal }, { code: 0, signal: null })
      // A failed answer, or none: but not a caller that waits forever.
      yield* Effect.exit(Fiber.join(waiting))
    }))

  it.live("stops a server whose models are still loading", () =>
    Effect.gen(function*() {
      yield* gate("slow")
      const server = yield* listeningServer(moodyServer({ slow: { load: "waits" } }))
      server.kill("SIGTERM")
      yield* endsWell(server)
    }))

  it.live("stops a server while onnxruntime loads its models", () =>
    Effect.gen(function*() {
      const server = yield* listeningServer({ env: { DRAIN_DELAY: "0" } })
      server.kill("SIGTERM")
      yield* endsWell(server)
    }))
})

describe.concurrent("SIGINT", () => {
  it.live("stops like SIGTERM, and at once when it comes again", () =>
    Effect.gen(function*() {
      const server = yield* readyServer(moodyServer({ pressed: {} }))
      yield* onServer(server, occupy("pressed"))
      server.kill("SIGINT")
      yield* server.printed("stopping")
      // What comes within 100 ms is one keypress, so it is pressed until it is heard.
      const pressing = Effect.repeat(Effect.sync(() => server.kill("SIGINT")), {
        schedule: Schedule.spaced("100 millis")
      })
      const { code, signal } = yield* Effect.raceFirst(server.ended, Effect.andThen(pressing, Effect.never))
      assert.deepStrictEqual({ code, signal }, { code: null, signal: "SIGINT" })
    }))
})
