import { assert, describe, it } from "@effect/vitest"
import { layer as layerConnection, RedisConnection } from "@sluice/core/cache/Redis"
import { RolloutStore } from "@sluice/core/rollout/RolloutStore"
import { layerRedis } from "@sluice/core/rollout/RolloutStoreRedis"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import { redisServer, withoutRedis } from "../RedisServer.ts"
import { countsOf, rolloutStoreConformance, stateOf } from "./RolloutStoreConformance.ts"

const connected = Layer.effectDiscard(
  Effect.flatMap(
    RedisConnection,
    ({ health }) => Effect.repeat(Effect.delay(health, "5 millis"), { until: (state) => state === "ready" })
  )
)

const storeAt = (port: number) =>
  connected.pipe(
    Layer.provideMerge(layerRedis),
    Layer.provideMerge(layerConnection({ host: "127.0.0.1", port, db: 0 }))
  )

const quiet = Logger.layer([])

describe.skipIf(withoutRedis)("RolloutStoreRedis", () => {
  rolloutStoreConformance({
    layer: Layer.unwrap(Effect.map(redisServer, ({ port }) => storeAt(port))).pipe(Layer.provide(quiet)),
    run: it.live
  })

  it.live("takes a damaged state for none, keeps it aside, and can be written to", () =>
    Effect.gen(function*() {
      const { port } = yield* redisServer
      yield* Effect.gen(function*() {
        const store = yield* RolloutStore
        const { client } = yield* RedisConnection
        yield* store.write("m", undefined, stateOf(7))
        yield* Effect.promise(() => client.hset("sluice:rollout:1:{m}:state", "state", "{\"rolloutId\": \"01"))
        assert.isUndefined(yield* store.read("m"))
        assert.isTrue(yield* store.write("m", undefined, stateOf(1)))
        assert.deepStrictEqual(yield* store.read("m"), stateOf(1))
        const aside = yield* Effect.promise(() => client.hget("sluice:rollout:1:{m}:damaged", "state"))
        assert.strictEqual(aside, "{\"rolloutId\": \"01")
      }).pipe(Effect.provide(storeAt(port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("lets counts go a day after the last report, and keeps states", () =>
    Effect.gen(function*() {
      const { port } = yield* redisServer
      yield* Effect.gen(function*() {
        const store = yield* RolloutStore
        const { client } = yield* RedisConnection
        yield* store.write("m", undefined, stateOf(1))
        yield* store.report("m", "r", 0, "a", countsOf(1))
        assert.strictEqual(yield* Effect.promise(() => client.ttl("sluice:rollout:1:{m}:state")), -1)
        const left = yield* Effect.promise(() => client.ttl("sluice:rollout:1:{m}:counts:r:0"))
        assert.isAtMost(left, 86_400)
        assert.isAbove(left, 86_300)
      }).pipe(Effect.provide(storeAt(port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))

  it.live("fails with its error while the server is away or stalled, and goes on when it is back", () =>
    Effect.gen(function*() {
      const server = yield* redisServer
      yield* Effect.gen(function*() {
        const store = yield* RolloutStore
        yield* store.write("m", undefined, stateOf(1))
        yield* server.stall
        assert.strictEqual((yield* Effect.flip(store.read("m")))._tag, "RolloutStoreError")
        yield* server.resume
        yield* Effect.retry(store.read("m"), { schedule: Schedule.spaced("20 millis") })
        yield* server.kill
        assert.strictEqual((yield* Effect.flip(store.report("m", "r", 0, "a", countsOf(1)))).operation, "report")
        yield* server.restart
        yield* Effect.retry(store.write("m", undefined, stateOf(1)), { schedule: Schedule.spaced("20 millis") })
      }).pipe(Effect.provide(storeAt(server.port)))
    }).pipe(Effect.provide(quiet), Effect.scoped))
})
