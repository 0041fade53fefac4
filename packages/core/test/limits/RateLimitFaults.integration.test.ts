/**
 * Limits whose Redis fails, in each way that it can: calls are decided by the configured mode, and by Redis again when it is
 * well.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import { Redis } from "ioredis"
import { CacheStoreHealth } from "../../src/cache/CacheStoreHealth.ts"
import { layer as layerConnection } from "../../src/cache/Redis.ts"
import { type FailMode, failModes } from "../../src/limits/Limits.ts"
import { RateLimits } from "../../src/limits/RateLimits.ts"
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

/** One call from its entry to its end: who let it in, or why it was refused. */
const call = Effect.gen(function*() {
  const { enter, plan } = yield* RateLimits
  const planned = plan({
    callerId: "ann",
    callerLimits: undefined,
    model: "m",
    modelLimits: undefined,
    items: 1,
    timeoutMs: 1_000
  })
  return yield* Effect.callback<string>((resume) =>
    enter(planned, 1, (entered) => {
      if (Result.isFailure(entered)) return resume(Effect.succeed(entered.failure._tag))
      entered.success.leave(undefined)
      resume(Effect.succeed("ratelimit" in entered.success.headers ? "counted" : "let in"))
    })
  )
})

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
