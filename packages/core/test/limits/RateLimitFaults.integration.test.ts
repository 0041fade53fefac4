/**
 * Limits whose Redis fails, in each way that it can: calls are decided by the configured mode, and by Redis again when it is
 * well.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { Redis } from "ioredis"
import { CacheStoreHealth } from "../../src/cache/CacheStoreHealth.ts"
import { layer as layerConnection } from "../../src/cache/Redis.ts"
import { type FailMode, failModes } from "../../src/limits/Limits.ts"
import { type LimitPass, type LimitRefusal, RateLimits } from "../../src/limits/RateLimits.ts"
import { layerRedis } from "../../src/limits/RateLimitStoreRedis.ts"
import { Metrics } from "../../src/telemetry/Metrics.ts"
import { type RedisServer, redisServer, withoutRedis } from "../RedisServer.ts"

const limits = { requests: { amount: 1_000, windowMs: 60_000 }, concurrent: 3 }

const connected = Layer.effectDiscard(Effect.flatMap(
  CacheStoreHealth,
  ({ state }) => Effect.repeat(Effect.delay(state, "5 millis"), { until: (health) => health === "ready" })
))

const limitsAt = (port: number, fail: FailMode) =>
  connected.pipe(
    Layer.provideMerge(RateLimits.layer({ global: limits, perKey: undefined, fail, bypass: false })),
    Layer.provide(layerRedis({ operation: "1 second", rest: "100 millis" })),
    Layer.provideMerge(layerConnection({ host: "127.0.0.1", port, db: 0 })),
    Layer.provideMerge(Metrics.layer({ enabled: false }))
  )

/** A call that has been let in. */
const enterOne = Effect.gen(function*() {
  const { enter, plan } = yield* RateLimits
  const planned = plan({ callerId: "ann", callerLimits: undefined, model: "m", modelLimits: undefined, items: 1 })
  return yield* Effect.callback<LimitPass, LimitRefusal>((resume) =>
    enter(planned, 1, (entered) => resume(Effect.fromResult(entered)))
  )
})

/** One call from its entry to its end: who let it in, or why it was refused. */
const call = Effect.match(enterOne, {
  onFailure: ({ _tag }) => _tag,
  onSuccess: ({ headers, leave }) => {
    leave(undefined)
    return "ratelimit" in headers ? "counted" : "let in"
  }
})

const concurrent = "sluice:limits:{1}:global:concurrent:"

const untilDegraded = Effect.flatMap(
  CacheStoreHealth,
  ({ state }) => Effect.repeat(Effect.delay(state, "5 millis"), { until: (health) => health === "degraded" })
)

const fallbacks = (mode: FailMode) => Effect.map(Metrics, ({ rateLimits }) => rateLimits.fallbacks.get(mode) ?? 0)

/** Calls until Redis decides again, which is known by no fallback being counted. */
const untilWell = (mode: FailMode) =>
  Effect.repeat(
    Effect.delay(
      Effect.gen(function*() {
        const before = yield* fallbacks(mode)
        const outcome = yield* call
        return outcome === "counted" && (yield* fallbacks(mode)) === before
      }),
      "20 millis"
    ),
    { until: (isWell) => isWell }
  )

const expected: Readonly<Record<FailMode, string>> = { open: "let in", closed: "LimitsUnavailable", local: "counted" }

interface Fault {
  readonly name: string
  readonly begin: (server: RedisServer, client: Redis) => Effect.Effect<unknown>
  readonly end: (server: RedisServer, client: Redis) => Effect.Effect<unknown>
}

const command = (client: Redis, name: string, ...args: ReadonlyArray<string>) =>
  Effect.promise(() => client.call(name, ...args))

const faults: ReadonlyArray<Fault> = [
  { name: "killed", begin: ({ kill }) => kill, end: ({ restart }) => restart },
  { name: "stalled", begin: ({ stall }) => stall, end: ({ resume }) => resume },
  {
    name: "made read-only",
    begin: (_, client) => command(client, "REPLICAOF", "127.0.0.1", "1"),
    end: (_, client) => command(client, "REPLICAOF", "NO", "ONE")
  },
  {
    name: "full",
    begin: (_, client) => command(client, "CONFIG", "SET", "maxmemory", "1"),
    end: (_, client) => command(client, "CONFIG", "SET", "maxmemory", "0")
  }
]

const clientOf = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => new Redis({ port, host: "127.0.0.1" }).on("error", () => {})),
    (client) => Effect.sync(() => client.disconnect())
  )

describe.skipIf(withoutRedis)("rate limits whose Redis is", () => {
  for (const { begin, end, name } of faults) {
    for (const mode of failModes) {
      it.live(`${name}: ${mode}, then counted by Redis again`, () =>
        Effect.gen(function*() {
          const server = yield* redisServer
          const client = yield* clientOf(server.port)
          yield* Effect.gen(function*() {
            assert.strictEqual(yield* call, "counted")
            assert.strictEqual(yield* fallbacks(mode), 0)
            yield* begin(server, client)
            // More at once than there are slots: those of calls that were let in without Redis are given back, too.
            for (let i = 0; i < 12; i++) assert.strictEqual(yield* call, expected[mode])
            assert.strictEqual(yield* fallbacks(mode), 12)
            yield* end(server, client)
            yield* untilWell(mode)
          }).pipe(Effect.provide(limitsAt(server.port, mode)))
        }).pipe(Effect.provide(Logger.layer([])), Effect.scoped), 30_000)
    }
  }

  it.live(
    "stalled until the connection is given up: heals what calls took that went on without it",
    () =>
      Effect.gen(function*() {
        const server = yield* redisServer
        yield* Effect.gen(function*() {
          assert.strictEqual(yield* call, "counted")
          yield* server.stall
          // Taken by nobody: Redis reads them when the connection that they came by is long gone.
          for (let i = 0; i < 3; i++) yield* Effect.forkChild(call)
          yield* untilDegraded
          yield* server.resume
          yield* untilWell("open")
        }).pipe(Effect.provide(limitsAt(server.port, "open")))
      }).pipe(Effect.provide(Logger.layer([])), Effect.scoped),
    40_000
  )

  it.live("made read-only while a call ends: heals its slot, and renews those of others", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      const client = yield* clientOf(server.port)
      yield* Effect.gen(function*() {
        const leases = Effect.promise(() => client.zrangebyscore(concurrent, Date.now() * 1_000, "+inf"))
        const ended = yield* enterOne
        const [lost] = yield* leases
        yield* enterOne
        const [kept] = (yield* leases).filter((lease) => lease !== lost)
        yield* command(client, "REPLICAOF", "127.0.0.1", "1")
        ended.leave(undefined)
        yield* command(client, "REPLICAOF", "NO", "ONE")
        // Both were held until about the same time.
        const left = yield* Effect.repeat(Effect.delay(leases, "50 millis"), {
          until: (held) => !held.includes(lost ?? "")
        })
        assert.deepStrictEqual(left, [kept])
      }).pipe(Effect.provide(limitsAt(server.port, "open")))
    }).pipe(Effect.provide(Logger.layer([])), Effect.scoped), 40_000)

  it.live("given foreign values at the keys of limits: replaces them", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      const client = yield* clientOf(server.port)
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* call, "counted")
        const requests = "sluice:limits:{1}:global:requests:60000:"
        for (const key of [requests, concurrent]) {
          yield* command(client, "SET", key, "foreign")
          assert.strictEqual(yield* call, "counted", key)
        }
        for (const values of [["foreign"], ["1 2 3 4", "foreign"], ["foreign", "1 2 3 4"]]) {
          yield* command(client, "DEL", requests)
          yield* command(client, "RPUSH", requests, ...values)
          assert.strictEqual(yield* call, "counted", values.join())
        }
        assert.strictEqual(yield* fallbacks("closed"), 0)
      }).pipe(Effect.provide(limitsAt(server.port, "closed")))
    }).pipe(Effect.provide(Logger.layer([])), Effect.scoped))

  it.live("refusing: says why in the log, once in a while", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => {
        lines.push(String(message))
      })
      const server = yield* redisServer
      const client = yield* clientOf(server.port)
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* call, "counted")
        yield* command(client, "REPLICAOF", "127.0.0.1", "1")
        for (let i = 0; i < 5; i++) {
          yield* call
          yield* Effect.sleep("110 millis")
        }
      }).pipe(Effect.provide(limitsAt(server.port, "open")), Effect.provide(Logger.layer([logger])))
      const told = lines.filter((line) => line.startsWith("redis refuses what rate limits ask of it: READONLY"))
      assert.lengthOf(told, 1)
    }).pipe(Effect.scoped))

  it.live("emptied: counts on from nothing", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      const client = yield* clientOf(server.port)
      yield* Effect.gen(function*() {
        assert.strictEqual(yield* call, "counted")
        yield* command(client, "FLUSHALL")
        yield* command(client, "SCRIPT", "FLUSH")
        for (let i = 0; i < 12; i++) assert.strictEqual(yield* call, "counted")
        assert.strictEqual(yield* fallbacks("open"), 0)
      }).pipe(Effect.provide(limitsAt(server.port, "open")))
    }).pipe(Effect.provide(Logger.layer([])), Effect.scoped))
})
