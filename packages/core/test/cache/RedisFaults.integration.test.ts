import { assert, describe, it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { InferRequest } from "@sluice/core/InferRequest"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import type { CacheStoreBudget } from "../../src/cache/CacheStoreGuard.ts"
import { sharedCells } from "../fixtures/ScriptedPlugin.ts"
import { engineLayer, letters, registryWith } from "../LocalEngine.ts"
import { type RedisServer, redisServer, withoutRedis } from "../RedisServer.ts"
import { tieredAt } from "./RedisStores.ts"

/** Every second text is new; the others are asked in turn, more than memory has room for, so that all are asked of Redis. */
const variety = 300
const callers = 8

const requestFor = (text: string): InferRequest => ({
  model: "letters",
  version: undefined,
  routingKey: "caller",
  input: { _tag: "Items", items: [{ _tag: "Text", text }] },
  cache: "use",
  priority: "normal",
  timeoutMs: undefined
})

/** Callers that ask without a pause until the scope closes; what came of it. */
const traffic = Effect.gen(function*() {
  const { infer } = yield* Inference
  const seen = { answers: 0, hits: 0, failures: new Set<string>() }
  let next = 0
  const ask = Effect.suspend(() => {
    // Longer than any that the fixture's bugs are triggered by.
    const text = "x".repeat(30 + next % 40) + (next % 2 === 0 ? next % variety : next)
    next++
    return Effect.match(infer(requestFor(text)), {
      onFailure: (error) => void seen.failures.add(error._tag),
      onSuccess: ({ cacheStatus, items: [item] }) => {
        seen.answers++
        if (cacheStatus === "hit") seen.hits++
        if (item === undefined || Result.isFailure(item)) seen.failures.add("item")
        else if (item.success.outputs["count"]?.data[0] !== text.length) seen.failures.add(`wrong answer to ${text}`)
      }
    })
  })
  const asking = yield* Effect.forEach(
    Array.from({ length: callers }),
    () => Effect.forkScoped(Effect.forever(Effect.andThen(ask, Effect.promise(() => new Promise(setImmediate))))),
    { discard: false }
  )
  const during = (answers: number) => {
    const until = seen.answers + answers
    return Effect.repeat(Effect.delay(Effect.sync(() => seen.answers), "5 millis"), { until: (now) => now >= until })
  }
  return { seen, during, end: Effect.forEach(asking, Fiber.interrupt) }
})

/** What the metrics say of reads or writes: 0 the store is asked, 1 by one, 2 it rests. */
const stateOf = (access: "read" | "write") =>
  Effect.gen(function*() {
    const { body } = yield* Effect.flatMap(Metrics, ({ render }) => render)
    return Number(new RegExp(`sluice_cache_store_state\\{access="${access}"\\} (\\d)`).exec(body)?.[1])
  })

const until = (access: "read" | "write", expected: (state: number) => boolean) =>
  Effect.repeat(Effect.delay(stateOf(access), "5 millis"), { until: expected })

const rests = (state: number) => state > 0
const isAsked = (state: number) => state === 0

interface Fault {
  readonly begin: Effect.Effect<unknown>
  readonly end: Effect.Effect<unknown>
  /** What is left alone meanwhile. */
  readonly rests: ReadonlyArray<"read" | "write">
}

const faults: Readonly<Record<string, (server: RedisServer) => Fault>> = {
  killed: ({ kill, restart }) => ({ begin: kill, end: restart, rests: ["read", "write"] }),
  stalled: ({ resume, stall }) => ({ begin: stall, end: resume, rests: ["read", "write"] }),
  full: ({ command }) => ({
    begin: command("CONFIG", "SET", "maxmemory", "1"),
    end: command("CONFIG", "SET", "maxmemory", "0"),
    rests: ["write"]
  }),
  "read-only": ({ command }) => ({
    // A replica of nobody: it answers, and takes no writes.
    begin: command("REPLICAOF", "127.0.0.1", "1"),
    end: command("REPLICAOF", "NO", "ONE"),
    rests: ["write"]
  })
}

/** A way to a server that can be made slow: every byte comes so many milliseconds later. */
const slowWay = (port: number) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const way = { delayMs: 0, port: 0 }
      const sockets = new Set<Socket>()
      const pass = (from: Socket, to: Socket): void => {
        sockets.add(from)
        from.on("data", (chunk) => setTimeout(() => to.writable && to.write(chunk), way.delayMs))
        from.on("error", () => to.destroy())
        from.on("close", () => to.destroy())
      }
      const server = createServer((socket) => {
        const onward = connect(port, "127.0.0.1")
        pass(socket, onward)
        pass(onward, socket)
      }).listen(0, "127.0.0.1")
      await once(server, "listening")
      const address = server.address()
      if (address !== null && typeof address !== "string") way.port = address.port
      return { way, server, sockets }
    }),
    ({ server, sockets }) =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
  )

const withEngine = <E>(
  port: number,
  body: Effect.Effect<void, E, Inference | Metrics | Scope.Scope>,
  // A machine that is busy with other tests takes its time.
  budget: Partial<CacheStoreBudget> = { operation: "500 millis" }
) => {
  const registry = registryWith({ letters: { default_version: "v1", versions: { v1: letters } } }, sharedCells())
  // Room for a few answers only, so that Redis is asked all the time.
  return body.pipe(Effect.provide(engineLayer(registry, undefined, tieredAt(port, budget, 20_000))))
}

describe.skipIf(withoutRedis)("A cache whose Redis is in trouble, under load", () => {
  for (const [name, faultOf] of Object.entries(faults)) {
    it.live(`fails no prediction while it is ${name}, and uses it again afterwards`, () =>
      Effect.gen(function*() {
        const server = yield* redisServer
        const fault = faultOf(server)
        yield* withEngine(
          server.port,
          Effect.gen(function*() {
            const { during, end, seen } = yield* traffic
            yield* during(2 * variety)
            yield* fault.begin
            for (const access of fault.rests) yield* until(access, rests)
            const hitsBefore = seen.hits
            yield* during(variety)
            if (!fault.rests.includes("read")) assert.isAbove(seen.hits, hitsBefore, "what it has is found")
            yield* fault.end
            for (const access of ["read", "write"] as const) yield* until(access, isAsked)
            const hitsInTrouble = seen.hits
            yield* during(2 * variety)
            assert.isAbove(seen.hits, hitsInTrouble)
            yield* end
            assert.deepStrictEqual([...seen.failures], [])
          })
        )
      }).pipe(Effect.provide(Logger.layer([])), Effect.scoped), 60_000)
  }

  it.live("fails no prediction when another, empty one takes its place", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      yield* withEngine(
        server.port,
        Effect.gen(function*() {
          const { during, end, seen } = yield* traffic
          yield* during(variety)
          yield* server.restart
          yield* until("read", isAsked)
          yield* during(variety)
          const kept = yield* server.command("DBSIZE")
          assert.isAbove(Number(kept), 100, "it fills again")
          yield* end
          assert.deepStrictEqual([...seen.failures], [])
        })
      )
    }).pipe(Effect.provide(Logger.layer([])), Effect.scoped), 60_000)

  it.live("fails no prediction while it is slow", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      const { way } = yield* slowWay(server.port)
      yield* withEngine(
        way.port,
        Effect.gen(function*() {
          const { during, end, seen } = yield* traffic
          yield* during(100)
          way.delayMs = 300
          yield* until("read", rests)
          yield* during(variety)
          way.delayMs = 0
          yield* until("read", isAsked)
          yield* during(100)
          yield* end
          assert.deepStrictEqual([...seen.failures], [])
        }),
        { operation: "100 millis" }
      )
    }).pipe(Effect.provide(Logger.layer([])), Effect.scoped), 60_000)

  it.live(
    "takes what is not its own under its keys for nothing, and puts its own in place",
    () =>
      Effect.gen(function*() {
        const server = yield* redisServer
        yield* withEngine(
          server.port,
          Effect.gen(function*() {
            const { during, end, seen } = yield* traffic
            yield* during(variety)
            // Every entry becomes something else: a text, or not even a string.
            yield* server.command(
              "EVAL",
              `for i, key in ipairs(redis.call("KEYS", "sluice:1:cache:*")) do
               redis.call("DEL", key)
               if i % 2 == 0 then redis.call("LPUSH", key, "x") else redis.call("SET", key, "garbage") end
             end`,
              "0"
            )
            yield* during(2 * variety)
            yield* end
            assert.deepStrictEqual([...seen.failures], [])
            assert.isAbove(seen.hits, 0)
          })
        )
      }).pipe(Effect.provide(Logger.layer([])), Effect.scoped),
    60_000
  )
})
