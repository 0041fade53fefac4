/**
 * Calls that do not get their answer at once, over both transports: on a model that answers only when a gate opens.
 */
import { assert, describe, it } from "@effect/vitest"
import { CircuitOpen, DeadlineExceeded, ModelFailed, Overloaded } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { http } from "../../server/test/harness/Http.ts"
import { fixture, readyServer } from "../../server/test/harness/ServerProcess.ts"
import type { Connection, InvalidUrl } from "../src/Connection.ts"
import { SluiceClient } from "../src/SluiceClient.ts"

/** What the moody plugin does with this input. */
const fails = -2
const waits = -7

/** A server with a moody model that has one instance and room for one waiting item, and the gate that it waits for. */
const moodyServer = Effect.gen(function*() {
  const directory = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "sluice-client-"))),
    (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
  )
  const gate = join(directory, "gate")
  const server = yield* readyServer({
    env: { SLUICE_PLUGINS: fixture("Moody.ts"), BREAKER_FAILURES: "1" },
    registry: `
models:
  moody:
    default_version: v1
    versions:
      v1: { path: ${fixture("Moody.ts")}, plugin: moody, options: { gate: ${gate} }, batching: { queue_capacity: 1 } }
`
  })
  return { ...server, openGate: Effect.sync(() => writeFileSync(gate, "")) }
})

/** Waits until the server's metrics have this value. */
const metric = (port: number, name: string, value: number) =>
  http({ port, path: "/metrics" }).pipe(
    Effect.map(({ text }) => Number(new RegExp(`^${name}\\{[^}]*model="moody"[^}]*\\} (\\S+)$`, "m").exec(text)?.[1])),
    Effect.repeat({ until: (found) => found === value, schedule: Schedule.spaced("10 millis") }),
    Effect.timeout("20 seconds")
  )

const predict = (x: number, timeout_ms?: number) =>
  Effect.flatMap(
    SluiceClient,
    (client) => client.predict({ model: "moody", features: [[x]], ...(timeout_ms === undefined ? {} : { timeout_ms }) })
  )

const transports: ReadonlyArray<{
  readonly name: string
  readonly layerOf: (connection: Connection) => Layer.Layer<SluiceClient, InvalidUrl>
}> = [
  { name: "WebSocket", layerOf: SluiceClient.layerWs },
  { name: "HTTP", layerOf: SluiceClient.layerHttp }
]

describe.each(transports)("a call over $name", ({ layerOf }) => {
  it.live("that is interrupted is cancelled on the server", () =>
    Effect.gen(function*() {
      const server = yield* moodyServer
      yield* Effect.gen(function*() {
        const call = yield* Effect.forkChild(predict(waits))
        yield* server.printed("moody waits")
        yield* Fiber.interrupt(call)
        // The gate is still closed: only a cancelled call can be counted.
        yield* metric(server.port, "sluice_abandoned_requests_total", 1)
        yield* server.openGate
        const { results } = yield* predict(4)
        assert.strictEqual(results[0]?.prediction, 8)
      }).pipe(Effect.provide(layerOf({ url: `http://localhost:${server.port}` })))
    }))

  it.live("fails with the class of what went wrong", () =>
    Effect.gen(function*() {
      const server = yield* moodyServer
      yield* Effect.gen(function*() {
        const late = yield* Effect.flip(predict(waits, 50))
        assert.deepStrictEqual(late, new DeadlineExceeded({ timeoutMs: 50 }))

        const queued = yield* Effect.forkChild(predict(1))
        yield* metric(server.port, "sluice_queue_length", 1)
        const refused = yield* Effect.flip(predict(2))
        assert.instanceOf(refused, Overloaded)
        assert.isAbove(refused.retryAfterMs, 0)

        yield* server.openGate
        const { results } = yield* Fiber.join(queued)
        assert.strictEqual(results[0]?.prediction, 2)

        assert.deepStrictEqual(yield* Effect.flip(predict(fails)), new ModelFailed({ model: "moody", version: "v1" }))
        const open = yield* Effect.flip(predict(3))
        assert.instanceOf(open, CircuitOpen)
        assert.isAbove(open.retryAfterMs, 0)
      }).pipe(Effect.provide(layerOf({ url: `http://localhost:${server.port}` })))
    }))
})
