import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { CACHE_ROOT } from "../../src/cache/CacheKey.ts"
import { CacheStore, type CacheStoreError } from "../../src/cache/CacheStore.ts"
import { defaultCacheStoreBudget } from "../../src/cache/CacheStoreGuard.ts"
import { CacheStoreHealth } from "../../src/cache/CacheStoreHealth.ts"
import { layer as layerConnection, RedisConnection } from "../../src/cache/Redis.ts"
import { layerRedis } from "../../src/cache/RedisCache.ts"
import { Metrics } from "../../src/telemetry/Metrics.ts"
import { redisServer, withoutRedis } from "../RedisServer.ts"
import { cacheStoreConformance } from "./CacheStoreConformance.ts"

const addressOf = (port: number) => ({ host: "127.0.0.1", port, db: 0 })

/** Polls until the connection is as expected; a test that waits in vain ends by its own limit. */
const until = (expected: "ready" | "degraded") =>
  Effect.flatMap(
    CacheStoreHealth,
    ({ state }) => Effect.repeat(Effect.delay(state, "5 millis"), { until: (health) => health === expected })
  )

const connected = Layer.effectDiscard(until("ready"))

const metered = (budget = defaultCacheStoreBudget) =>
  Layer.provideMerge(layerRedis(budget), Metrics.layer({ enabled: true }))

const storeAt = (port: number, budget = defaultCacheStoreBudget) =>
  connected.pipe(Layer.provideMerge(metered(budget)), Layer.provideMerge(layerConnection(addressOf(port))))

const quiet = Logger.layer([])

/** What is logged, as one gets it with the layer. */
const recorder = () => {
  const lines: Array<string> = []
  const layer = Logger.layer([Logger.make<unknown, void>(({ message }) => {
    lines.push(String(message))
  })])
  return { lines, layer }
}

const outcomeOf = <A>(effect: Effect.Effect<A, CacheStoreError>) =>
  Effect.map(
    Effect.timed(Effect.match(effect, { onSuccess: () => "answered", onFailure: ({ reason }) => reason as string })),
    ([took, outcome]) => ({ outcome, ms: Duration.toMillis(took) })
  )

const entries = [{ key: `${CACHE_ROOT}m:v1:a`, value: Uint8Array.from([1]) }]
const keys = entries.map(({ key }) => key)

describe.skipIf(withoutRedis)("RedisCache", () => {
  cacheStoreConformance({
    // What a store does, not how fast: 2,500 writes may take longer than a request would wait.
    layer: Layer.unwrap(
      Effect.map(redisServer, ({ port }) => storeAt(port, { ...defaultCacheStoreBudget, operation: "10 seconds" }))
    ).pipe(Layer.provide(quiet)),
    run: it.live,
    passTime: (duration) => Effect.sleep(duration)
  })

  it.live("is ready at once without a server, and costs nothing but misses", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      yield* server.kill
      const address = layerConnection(addressOf(server.port))
      yield* Effect.gen(function*() {
        const store = yield* CacheStore
        yield* until("degraded")
        const first = yield* outcomeOf(store.getMany(keys))
        assert.strictEqual(first.outcome, "failed")
        assert.isBelow(first.ms, 500)
        assert.strictEqual((yield* outcomeOf(store.setMany(entries, "1 minute"))).outcome, "resting")
      }).pipe(Effect.provide(metered().pipe(Layer.provideMerge(address))))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("survives the loss of the server and uses it again when it is back", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      yield* Effect.gen(function*() {
        const store = yield* CacheStore
        yield* store.setMany(entries, "1 minute")
        yield* server.kill
        yield* until("degraded")
        for (let call = 0; call < 20; call++) {
          const { ms, outcome } = yield* outcomeOf(store.getMany(keys))
          assert.notStrictEqual(outcome, "answered")
          assert.isBelow(ms, 500)
        }
        yield* server.restart
        yield* until("ready")
        yield* Effect.retry(store.setMany(entries, "1 minute"), { schedule: Schedule.spaced("20 millis") })
        assert.deepStrictEqual((yield* store.getMany(keys)).map((value) => value && Array.from(value)), [[1]])
      }).pipe(Effect.provide(storeAt(server.port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("waits for a server that stalls no longer than the budget, and then not at all", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      yield* Effect.gen(function*() {
        const store = yield* CacheStore
        yield* store.setMany(entries, "1 minute")
        yield* server.stall
        const first = yield* outcomeOf(store.getMany(keys))
        assert.strictEqual(first.outcome, "slow")
        assert.isAtLeast(first.ms, 49)
        assert.isBelow(first.ms, 500)
        const burst = yield* outcomeOf(
          Effect.forEach(Array.from({ length: 100 }), () => Effect.ignore(store.getMany(keys)))
        )
        assert.isBelow(burst.ms, 500, "100 lookups in the rest after a failure")
        yield* server.resume
        yield* Effect.repeat(Effect.delay(Effect.option(store.getMany(keys)), "20 millis"), {
          until: (found) => found._tag === "Some"
        })
      }).pipe(Effect.provide(storeAt(server.port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("makes the connection anew when the server stays stalled, and says degraded until then", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      yield* Effect.gen(function*() {
        const store = yield* CacheStore
        yield* server.stall
        yield* outcomeOf(store.getMany(keys))
        yield* until("degraded")
        yield* server.resume
        yield* until("ready")
      }).pipe(Effect.provide(storeAt(server.port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("logs the loss of the connection once, not each attempt", () => {
    const { layer, lines } = recorder()
    return Effect.gen(function*() {
      const server = yield* redisServer
      yield* Effect.gen(function*() {
        const { client } = yield* RedisConnection
        let attempts = 0
        client.on("reconnecting", () => {
          attempts++
        })
        yield* server.kill
        yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => attempts >= 4 })
        yield* server.restart
        yield* until("ready")
      }).pipe(Effect.provide(storeAt(server.port)))
      const where = `127.0.0.1:${server.port}`
      assert.strictEqual(lines.length, 3, lines.join("\n"))
      assert.strictEqual(lines[0], `redis at ${where} is connected`)
      assert.include(lines[1], `redis at ${where} is not reachable`)
      assert.strictEqual(lines[2], `redis at ${where} is connected`)
    }).pipe(Effect.provide(layer), Effect.scoped)
  })

  it.live("never logs the password of the address", () => {
    const { layer, lines } = recorder()
    return Effect.gen(function*() {
      const server = yield* redisServer
      const url = Redacted.make(`redis://someone:hunter2secret@127.0.0.1:${server.port}/0`)
      // It counts as degraded while it connects, too: the line is what says that it was refused.
      const told = Effect.repeat(Effect.delay(Effect.sync(() => lines.length), "5 millis"), {
        until: (count) => count > 0
      })
      yield* Effect.provide(told, layerConnection({ url }))
      assert.notInclude(lines.join("\n"), "hunter2secret")
    }).pipe(Effect.provide(layer), Effect.scoped)
  })

  it.live("fails what was sent and not answered when the connection is lost", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      yield* Effect.gen(function*() {
        const redis = yield* Redis.Redis
        const waiting = yield* Effect.forkChild(Effect.flip(redis.send("BLPOP", "none", "0")), {
          startImmediately: true
        })
        yield* server.kill
        assert.instanceOf(yield* Fiber.join(waiting), Redis.RedisError)
      }).pipe(Effect.provide(storeAt(server.port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("takes an address as a URL or as a host, and its database", () =>
    Effect.gen(function*() {
      const { port } = yield* redisServer
      const send = (...[command, ...args]: readonly [string, ...Array<string>]) =>
        Effect.flatMap(Redis.Redis, (redis) => Effect.andThen(until("ready"), redis.send(command, ...args)))
      yield* send("SET", "k", "three").pipe(
        Effect.provide(layerConnection({ url: Redacted.make(`redis://127.0.0.1:${port}/3`) }))
      )
      const found = yield* Effect.forEach([0, 3], (db) =>
        send("GET", "k").pipe(Effect.provide(layerConnection({ host: "127.0.0.1", port, db }))))
      assert.deepStrictEqual(found, [null, "three"])
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("carries Effect's own Redis: commands, scripts, subscriptions and reserved connections", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      yield* Effect.gen(function*() {
        const redis = yield* Redis.Redis
        assert.strictEqual(yield* redis.send<string>("SET", "k", "1"), "OK")
        const add = Redis.script((key: string, by: number) => [key, by], {
          numberOfKeys: 1,
          lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])"
        }).withReturnType<number>()
        assert.strictEqual(yield* redis.eval(add)("k", 4), 5)
        yield* redis.send("SCRIPT", "FLUSH")
        assert.strictEqual(yield* redis.eval(add)("k", 1), 6)

        yield* Effect.scoped(Effect.gen(function*() {
          const messages = yield* redis.subscribe("news")
          yield* redis.send("PUBLISH", "news", "hello")
          assert.deepStrictEqual(yield* Queue.take(messages), { channel: "news", message: "hello" })
        }))

        const taken = yield* Effect.scoped(Effect.gen(function*() {
          const reserved = yield* redis.reserve
          const waiting = yield* Effect.forkChild(reserved.send("BLPOP", "list", "0"), { startImmediately: true })
          yield* redis.send("RPUSH", "list", "x")
          return yield* Fiber.join(waiting)
        }))
        assert.deepStrictEqual(taken, ["list", "x"])
        assert.instanceOf(yield* Effect.flip(redis.send("NOSUCHCOMMAND")), Redis.RedisError)
      }).pipe(Effect.provide(storeAt(server.port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))
})
