/**
 * Several processes on one port: that they serve together, that a dead one is replaced, and how they start and end.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { http } from "../harness/Http.ts"
import { metrics } from "../harness/Metrics.ts"
import { ask, gate, mood, moodyServer, openGate } from "../harness/Moody.ts"
import { childrenOf } from "../harness/Processes.ts"
import {
  inRepository,
  readyServer,
  type RunningServer,
  type ServerOptions,
  type ServerProcess,
  spawnServer,
  TestServer
} from "../harness/ServerProcess.ts"

const often = Schedule.spaced("20 millis")

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const eventually = (holds: () => boolean) =>
  Effect.sync(holds).pipe(Effect.repeat({ until: (held) => held, schedule: often }), Effect.asVoid)

const twoProcesses = { WORKERS: "2", DRAIN_DELAY: "0" }

const onServer = <A, E>(server: RunningServer, effect: Effect.Effect<A, E, TestServer>) =>
  Effect.provideService(effect, TestServer, server)

const predictIris = ({ port }: RunningServer) =>
  http({ port, path: "/api/v1/predict", body: { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]] } })

const irisRequests = (server: RunningServer) =>
  Effect.map(onServer(server, metrics), (samples) => samples.get(`sluice_requests_total{model="iris",version="v1"}`))

/** Two requests that wait in one process each; connections are shared out in turn. */
const occupyBoth = Effect.fnUntraced(function*(server: RunningServer, model: string) {
  yield* gate(model)
  const waiting = yield* Effect.forEach(
    [1, 2],
    () => Effect.forkChild(onServer(server, ask(model, mood.waits)), { startImmediately: true })
  )
  yield* eventually(() =>
    [1, 2].every((number) => new RegExp(`"process":${number},.*moody waits`).test(server.output()))
  )
  return waiting
})

const endsWell = (server: ServerProcess) =>
  Effect.map(server.ended, ({ code, signal, stderr }) => {
    assert.deepStrictEqual({ code, signal }, { code: 0, signal: null }, stderr)
    for (const line of stderr.trimEnd().split("\n")) assert.match(line, /"level":"(info|warn)"/)
  })

/** The one line that a start ends with. */
const sentenceOf = Effect.fnUntraced(function*(options: ServerOptions) {
  const server = yield* spawnServer(options)
  const { code, signal, stderr, stdout } = yield* server.ended
  assert.deepStrictEqual({ code, signal, stdout }, { code: 1, signal: null, stdout: "" }, stderr)
  assert.match(stderr, /^sluice: .*\n$/)
  return stderr.slice("sluice: ".length).trimEnd()
})

/** A port that somebody listens on. */
const takenPort = Effect.map(
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer()
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  ),
  (server) => (server.address() as AddressInfo).port
)

describe("two processes", () => {
  it.live("serve one port, count together, and go on when one is killed, which is replaced", () =>
    Effect.gen(function*() {
      const server = yield* readyServer(moodyServer({ both: {}, again: {} }, twoProcesses))
      assert.lengthOf(server.output().match(/Sluice listens/g) ?? [], 1)
      assert.lengthOf(server.output().match(/model versions ready/g) ?? [], 1)
      assert.include(server.output(), "workers  2 processes")

      const waiting = yield* occupyBoth(server, "both")
      yield* openGate("both")
      for (const each of waiting) assert.strictEqual((yield* Fiber.join(each)).status, 200)
      yield* Effect.repeat(predictIris(server), { times: 9 })
      assert.strictEqual(yield* irisRequests(server), 10)

      const before = childrenOf(server.pid)
      assert.lengthOf(before, 2)
      const [killed = 0] = before
      // Stopped, it is handed a connection and does not take it: that one must go to the other when it dies.
      process.kill(killed, "SIGSTOP")
      const calls = yield* Effect.forEach(
        [1, 2, 3, 4],
        () => Effect.forkChild(http({ port: server.port, path: "/livez" }), { startImmediately: true })
      )
      yield* eventually(() => calls.filter((call) => call.pollUnsafe() !== undefined).length === 3)
      process.kill(killed, "SIGKILL")
      for (const call of calls) assert.strictEqual((yield* Fiber.join(call)).status, 200)
      yield* predictIris(server)
      assert.strictEqual(yield* irisRequests(server), 11)

      yield* server.printed(/process \d serves again/)
      const after = childrenOf(server.pid)
      assert.lengthOf(after, 2)
      assert.notInclude(after, killed)

      const samples = yield* onServer(server, metrics)
      assert.strictEqual(samples.get("sluice_processes_reporting"), 2)
      assert.strictEqual(samples.get("sluice_process_restarts_total"), 1)
      assert.strictEqual(yield* irisRequests(server), 11)
      const served = yield* occupyBoth(server, "again")
      yield* openGate("again")
      for (const each of served) assert.strictEqual((yield* Fiber.join(each)).status, 200)
    }))

  it.live("end on SIGTERM with every request in flight answered", () =>
    Effect.gen(function*() {
      const server = yield* readyServer(moodyServer({ drained: {} }, twoProcesses))
      const processes = childrenOf(server.pid)
      const waiting = yield* occupyBoth(server, "drained")
      server.kill("SIGTERM")
      yield* eventually(() => (server.output().match(/stopping/g) ?? []).length === 2)
      yield* openGate("drained")
      for (const each of waiting) assert.strictEqual((yield* Fiber.join(each)).status, 200)
      yield* endsWell(server)
      assert.deepStrictEqual(processes.filter(isAlive), [])
    }))

  it.live("started by `sluice serve` with workers in YAML, end with their primary, however it ends", () =>
    Effect.gen(function*() {
      const { env, registry = "" } = moodyServer({ orphaned: {} })
      const server = yield* readyServer({
        registry,
        env: { ...env },
        config: "server: { workers: 2 }\n",
        program: [inRepository("packages/cli/src/main.ts"), "serve"]
      })
      const processes = childrenOf(server.pid)
      assert.lengthOf(processes, 2)
      yield* occupyBoth(server, "orphaned")
      server.kill("SIGKILL")
      yield* eventually(() => !processes.some(isAlive))
      yield* openGate("orphaned")
    }))
})

describe("two processes do not start, with one sentence and code 1, for", () => {
  it.live("a port that is in use", () =>
    Effect.gen(function*() {
      const port = yield* takenPort
      const sentence = yield* sentenceOf({ ...moodyServer({}), env: { WORKERS: "2", PORT: String(port) } })
      assert.strictEqual(sentence, `port ${port} on 127.0.0.1 is in use: stop what listens there, or set PORT`)
    }))

  it.live("a model file that is missing", () =>
    Effect.gen(function*() {
      const registry = "models:\n  iris:\n    default_version: v1\n    versions:\n      v1: { path: /nowhere.onnx }\n"
      assert.match(yield* sentenceOf({ registry, env: { WORKERS: "2" } }), /registry\.yaml:5: .*\/nowhere\.onnx/)
    }))

  it.live("a bad setting", () =>
    Effect.gen(function*() {
      assert.match(yield* sentenceOf({ env: { WORKERS: "2", BATCH_SIZE: "many" } }), /BATCH_SIZE/)
    }))
})
