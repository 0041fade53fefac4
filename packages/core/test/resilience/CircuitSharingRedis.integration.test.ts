import { assert, describe, it } from "@effect/vitest"
import { layer as layerConnection, RedisConnection } from "@sluice/core/cache/Redis"
import { layerRedis } from "@sluice/core/resilience/CircuitSharingRedis"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import { redisServer, withoutRedis } from "../RedisServer.ts"
import { circuitSharingConformance, fail, ids, process, trip } from "./CircuitSharingConformance.ts"

const connected = Layer.effectDiscard(
  Effect.flatMap(
    RedisConnection,
    ({ health }) => Effect.repeat(Effect.delay(health, "5 millis"), { until: (state) => state === "ready" })
  )
)

const sharingAt = (port: number) =>
  connected.pipe(
    Layer.provideMerge(layerRedis),
    Layer.provideMerge(layerConnection({ host: "127.0.0.1", port, db: 0 }))
  )

const quiet = Logger.layer([])

const often = Schedule.spaced("10 millis")
const becomes = <A, E, R>(found: Effect.Effect<A, E, R>, expected: A) =>
  Effect.repeat(found, { until: (each) => each === expected, schedule: often })

describe.skipIf(withoutRedis)("over Redis", () => {
  circuitSharingConformance("CircuitSharingRedis", {
    layer: Layer.unwrap(Effect.map(redisServer, ({ port }) => sharingAt(port))).pipe(Layer.provide(quiet)),
    run: it.live,
    pass: Effect.sleep
  })

  it.live("asks Redis nothing for the calls of a closed circuit, nor for those that an open one refuses", () =>
    Effect.gen(function*() {
      const { port } = yield* redisServer
      yield* Effect.gen(function*() {
        const breaker = yield* process
        const { client } = yield* RedisConnection
        const commands = Effect.promise(async () => {
          const info = await client.info("commandstats")
          return Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0)
        })
        const before = yield* commands
        const startedMs = performance.now()
        for (let i = 0; i < 1_000; i++) yield* breaker.guard(Effect.void, ids)
        yield* trip(breaker)
        for (let i = 0; i < 1_000; i++) yield* fail(breaker)
        // One tells that it opened, and the others' circuits are asked for twice a second.
        const asked = (yield* commands) - before
        assert.isAtMost(asked, 3 + Math.ceil((performance.now() - startedMs) / 250))
      }).pipe(Effect.provide(sharingAt(port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("goes on by itself while Redis is stalled or away, and is heard of again when it is back", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      yield* Effect.gen(function*() {
        const [a, b] = [yield* process, yield* process]
        yield* server.stall
        yield* trip(a)
        assert.strictEqual(yield* a.state("m", "v1"), "open")
        yield* Effect.sleep("650 millis")
        // The probe is not denied for want of an answer.
        yield* a.guard(Effect.void, ids)
        assert.strictEqual(yield* a.state("m", "v1"), "closed")
        assert.strictEqual(yield* b.state("m", "v1"), "closed")
        yield* server.resume
        yield* server.kill
        yield* trip(a)
        assert.strictEqual(yield* a.state("m", "v1"), "open")
        yield* server.restart
        // What could not be told is told: whichever of the two opens next, the other hears it.
        yield* Effect.repeat(
          Effect.andThen(trip(a), Effect.andThen(Effect.sleep("100 millis"), b.state("m", "v1"))),
          { until: (state) => state === "open" }
        )
      }).pipe(Effect.provide(sharingAt(server.port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("takes no notice of what is not of its form", () =>
    Effect.gen(function*() {
      const { port } = yield* redisServer
      yield* Effect.gen(function*() {
        const { client } = yield* RedisConnection
        const states = "sluice:breaker:1:{circuits}:states"
        yield* Effect.promise(() => client.hset(states, "model:m@v1", "open for ever", "model:x@v1", ""))
        yield* Effect.promise(() => client.set("sluice:breaker:1:{circuits}:revision", "7"))
        const [a, b] = [yield* process, yield* process]
        yield* trip(a)
        yield* becomes(b.state("m", "v1"), "open")
      }).pipe(Effect.provide(sharingAt(port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))
})
