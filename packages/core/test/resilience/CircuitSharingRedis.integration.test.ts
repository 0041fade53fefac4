import { assert, describe, it } from "@effect/vitest"
import { layer as layerConnection, RedisConnection } from "@sluice/core/cache/Redis"
import type { CircuitBreaker } from "@sluice/core/resilience/CircuitBreaker"
import { layerRedis } from "@sluice/core/resilience/CircuitSharingRedis"
import { CircuitOpen } from "@sluice/domain/Errors"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Schedule from "effect/Schedule"
import type { Redis as RedisClient } from "ioredis"
import { redisServer, withoutRedis } from "../RedisServer.ts"
import { circuitSharingConformance, fail, ids, openFor, process, processIn, trip } from "./CircuitSharingConformance.ts"

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
const root = "sluice:breaker:1:{circuits}:"
const states = `${root}states`
const revision = `${root}revision`
const key = "model:m@v1"

type Process = CircuitBreaker["Service"]

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

  /** Two processes on a Redis of their own. */
  const two = (
    title: string,
    body: (client: RedisClient, a: Process, b: Process) => Generator<Effect.Effect<unknown, unknown>, void, never>,
    { logger = quiet, openDuration = Duration.minutes(1) } = {}
  ) =>
    it.live(title, () =>
      Effect.gen(function*() {
        const { port } = yield* redisServer
        yield* Effect.gen(function*() {
          const { client } = yield* RedisConnection
          const [a, b] = [yield* processIn(logger, openDuration), yield* processIn(logger, openDuration)]
          yield* Effect.gen(() => body(client, a, b))
        }).pipe(Effect.provide(sharingAt(port)))
      }).pipe(Effect.provide(quiet), Effect.scoped))
  const asked = <A>(reply: () => Promise<A>) => Effect.promise(reply)
  /** Longer than it takes to hear what is in Redis. */
  const heard = Effect.sleep("700 millis")

  two("takes no notice of what is not of its form", function*(client, a, b) {
    yield* asked(() => client.hset(states, "model:m@v1", "open for ever", "model:x@v1", "", "sausage", "open 1 2 zz"))
    yield* asked(() => client.set(revision, "7"))
    yield* trip(a)
    yield* becomes(b.state("m", "v1"), "open")
  })

  two("takes no notice of numbers that nobody counts to", function*(client, a) {
    yield* asked(() => client.hset(states, key, "open 99999999999999999 9999999999999999 zz"))
    yield* asked(() => client.set(revision, "8"))
    yield* heard
    assert.isUndefined(a.refusal("m", "v1"))
    yield* a.guard(Effect.void, ids)
  })

  two(
    "refuses for no longer than its own rules say, whatever another has told, and is probed then",
    function*(client, a) {
      yield* asked(() => client.hset(states, key, "open 5 9000000000000000 zz"))
      yield* asked(() => client.set(revision, "5"))
      yield* becomes(a.state("m", "v1"), "open")
      assert.isAtMost(a.status("m", "v1").retryAfterMs, Duration.toMillis(openFor))
      const refused = yield* Effect.flip(a.guard(Effect.void, ids))
      assert.instanceOf(refused, CircuitOpen)
      assert.isAtMost(refused.retryAfterMs, Duration.toMillis(openFor))
      yield* Effect.sleep(openFor)
      yield* a.guard(Effect.void, ids)
      yield* heard
      assert.strictEqual(yield* a.state("m", "v1"), "closed")
    },
    { openDuration: openFor }
  )

  for (const text of ["99999999999999999", "9007199254740993", "-5", "sausage", "1e400", "nan"]) {
    two(`hears of a reset after a revision that cannot be counted: ${text}`, function*(client, a, b) {
      yield* asked(() => client.set(revision, text))
      yield* heard
      yield* trip(a)
      yield* becomes(b.state("m", "v1"), "open")
      b.reset("m", "v1")
      yield* becomes(a.state("m", "v1"), "closed")
    })
  }

  two("hears what is told after a failover that lost the last revisions", function*(client, a, b) {
    yield* trip(a)
    yield* becomes(b.state("m", "v1"), "open")
    // What was told before is there again, and a change by a clock that is behind comes on top.
    yield* asked(() => client.hset(states, key, "closed 6 0 elsewhere"))
    yield* asked(() => client.set(revision, "6"))
    yield* becomes(a.state("m", "v1"), "closed")
    yield* becomes(b.state("m", "v1"), "closed")
  })

  two("may probe though somebody holds that right for ever", function*(client, a) {
    yield* asked(() => client.set(`${root}probe:${key}`, "zz"))
    yield* trip(a)
    yield* Effect.sleep(openFor)
    yield* a.guard(Effect.void, ids)
    assert.strictEqual(yield* a.state("m", "v1"), "closed")
  }, { openDuration: openFor })

  const lines: Array<string> = []
  const recording = Logger.layer([Logger.make<unknown, void>(({ logLevel, message }) => {
    if (logLevel === "Warn") lines.push(String(message))
  })])
  two("warns where its key is of another type, and goes on by itself", function*(client, a) {
    yield* asked(() => client.set(states, "text"))
    yield* trip(a)
    yield* becomes(Effect.sync(() => lines.some((line) => line.includes("publish failed: WRONGTYPE"))), true)
    assert.strictEqual(yield* a.state("m", "v1"), "open")
    yield* Effect.sleep(openFor)
    yield* a.guard(Effect.void, ids)
  }, { logger: recording, openDuration: openFor })
})
