import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { Redis } from "ioredis"
import { CacheStoreHealth } from "../../src/cache/CacheStoreHealth.ts"
import { layer as layerConnection } from "../../src/cache/Redis.ts"
import { LIMITS_ROOT } from "../../src/limits/LimitPlan.ts"
import type { RateLimitStore, Taken, WindowTake } from "../../src/limits/RateLimitStore.ts"
import { layerRedis, redisStore } from "../../src/limits/RateLimitStoreRedis.ts"
import { Metrics } from "../../src/telemetry/Metrics.ts"
import { redisServer, withoutRedis } from "../RedisServer.ts"
import { judgeDecisions } from "./Decisions.ts"
import { rate, rateLimitStoreConformance, slot, take } from "./RateLimitStoreConformance.ts"

/** What the store does, not how fast. */
const patient = { operation: "10 seconds", rest: "1 second" } as const

const connected = Layer.effectDiscard(Effect.flatMap(
  CacheStoreHealth,
  ({ state }) => Effect.repeat(Effect.delay(state, "5 millis"), { until: (health) => health === "ready" })
))

const storeAt = (port: number) =>
  connected.pipe(
    Layer.provideMerge(layerRedis(patient)),
    Layer.provideMerge(layerConnection({ host: "127.0.0.1", port, db: 0 })),
    Layer.provide(Metrics.layer({ enabled: false }))
  )

const quiet = Logger.layer([])

const clientOf = (port: number) =>
  Effect.acquireRelease(
    Effect.sync(() => new Redis({ port, host: "127.0.0.1" })),
    (client) => Effect.sync(() => client.disconnect())
  )

const asked = (store: RateLimitStore["Service"], takes: ReadonlyArray<WindowTake>): Promise<Taken> =>
  new Promise((resolve, reject) => {
    store.take(takes, "", (taken) => taken._tag === "Success" ? resolve(taken.success) : reject(taken.failure))
  })

describe.skipIf(withoutRedis)("RateLimitStoreRedis", () => {
  rateLimitStoreConformance({
    layer: Layer.unwrap(Effect.map(redisServer, ({ port }) => storeAt(port))).pipe(Layer.provide(quiet)),
    run: it.live,
    passTime: (duration) => Effect.sleep(duration)
  })

  for (const amount of [100, 1_000]) {
    it.live(
      `shares ${amount} a second exactly between connections that ask all the time`,
      () =>
        Effect.gen(function*() {
          const { port } = yield* redisServer
          const clients = yield* Effect.all([clientOf(port), clientOf(port), clientOf(port)])
          const limit = rate("shared", amount, 1_000)
          const decisions = yield* Effect.promise(() =>
            Promise.all(clients.map(async (client) => {
              const store = redisStore(client, () => {})
              const taken: Array<Taken> = []
              const startedMs = (await asked(store, [{ ...limit, take: 0 }])).atMs
              let lastMs = startedMs
              while (lastMs < startedMs + 3_500) {
                const together = await Promise.all(Array.from({ length: 8 }, () => asked(store, [limit])))
                taken.push(...together)
                lastMs = together.at(-1)!.atMs
              }
              return taken
            }))
          )
          judgeDecisions(decisions.flat(), { amount, windowMs: 1_000, units: 1 })
        }).pipe(Effect.scoped),
      20_000
    )
  }

  it.live("leaves nothing in Redis when the window is over, and little before", () =>
    Effect.gen(function*() {
      const { port } = yield* redisServer
      const client = yield* clientOf(port)
      yield* Effect.gen(function*() {
        const many = rate("many", 1_000_000, 2_000)
        for (let i = 0; i < 2_000; i++) yield* take([many])
        assert.isAtMost(yield* Effect.promise(() => client.memory("USAGE", many.key).then(Number)), 32_768)
        yield* take([slot("slots", 3, 2_000)], "dead")
        assert.strictEqual((yield* Effect.promise(() => client.keys(`${LIMITS_ROOT}*`))).length, 2)
        yield* Effect.repeat(Effect.delay(Effect.promise(() => client.dbsize()), "20 millis"), {
          until: (size) => size === 0
        })
      }).pipe(Effect.provide(storeAt(port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("stores nothing for a refused call", () =>
    Effect.gen(function*() {
      const { port } = yield* redisServer
      const client = yield* clientOf(port)
      yield* Effect.gen(function*() {
        yield* take([rate("full", 1, 60_000)])
        const { allowed } = yield* take([rate("fresh", 1, 60_000), rate("full", 1, 60_000), slot("slots", 1)], "one")
        assert.isFalse(allowed)
        assert.deepStrictEqual(yield* Effect.promise(() => client.keys("*")), [rate("full", 1, 60_000).key])
      }).pipe(Effect.provide(storeAt(port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("goes on when Redis has forgotten the script", () =>
    Effect.gen(function*() {
      const { port } = yield* redisServer
      const client = yield* clientOf(port)
      yield* Effect.gen(function*() {
        yield* take([rate("a", 2, 60_000)])
        yield* Effect.promise(() => client.script("FLUSH"))
        assert.strictEqual((yield* take([rate("a", 2, 60_000)])).states[0]?.used, 2)
      }).pipe(Effect.provide(storeAt(port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("forgets what a clock has in the future no later than a window from now", () =>
    Effect.gen(function*() {
      const { port } = yield* redisServer
      const client = yield* clientOf(port)
      yield* Effect.gen(function*() {
        const limit = rate("a", 3, 300)
        // As it is left by a clock that was then set back by an hour
        const future = (Date.now() + 3_600_000) * 1_000
        yield* Effect.promise(() => client.rpush(limit.key, `${future} ${future} 0 3`))
        const refused = yield* take([limit])
        assert.isFalse(refused.allowed)
        assert.isAtMost(refused.states[0]!.waitMs, 300)
        yield* Effect.sleep(refused.states[0]!.waitMs + 1)
        assert.isTrue((yield* take([limit])).allowed)
      }).pipe(Effect.provide(storeAt(port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))
})
