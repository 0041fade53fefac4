/**
 * Limits counted in Redis, by `TakeScript.ts`: all processes that use it share them, exactly. A call asks once, however many
 * limits it has.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { Redis as Client } from "ioredis"
import { hash } from "node:crypto"
import { RedisConnection } from "../cache/Redis.ts"
import { monotonicReader } from "../Monotonic.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { type LimitTake, RateLimitStore, RateLimitStoreError, type Taken } from "./RateLimitStore.ts"
import { guarded, type RateLimitStoreBudget } from "./RateLimitStoreGuard.ts"
import { takeScript } from "./TakeScript.ts"

const takeSha = hash("sha1", takeScript)

const microseconds = (ms: number): number => Math.max(1, Math.round(ms * 1000))

const argumentsOf = (take: LimitTake): ReadonlyArray<string | number> =>
  take.kind === "window"
    ? ["window", take.amount, microseconds(take.windowMs), take.need, take.take]
    : ["slot", take.amount, microseconds(take.leaseMs), 1, 1]

const perLimit = 4

const readReply = (reply: unknown, count: number): Taken => {
  if (!Array.isArray(reply) || reply.length !== 2 + count * perLimit || !reply.every(Number.isFinite)) {
    throw new Error(`the script's reply is not one: ${String(reply)}`)
  }
  const number = (index: number): number => Number(reply[index])
  return {
    allowed: number(0) === 1,
    atMs: number(1) / 1000,
    states: Array.from({ length: count }, (_, limit) => {
      const from = 2 + limit * perLimit
      return {
        fits: number(from) === 1,
        used: number(from + 1),
        backMs: number(from + 2) / 1000,
        waitMs: number(from + 3) / 1000
      }
    })
  }
}

const isUnknownScript = (error: unknown): boolean => error instanceof Error && error.message.startsWith("NOSCRIPT")

/** `failed` hears of what nobody waits for. */
export const redisStore = (client: Client, failed: () => void): RateLimitStore["Service"] => {
  const run = (keys: ReadonlyArray<string>, values: ReadonlyArray<string | number>): Promise<unknown> =>
    client.evalsha(takeSha, keys.length, ...keys, ...values).catch((error: unknown) => {
      // A Redis that was started anew, or another than before, learns the script with this call.
      if (isUnknownScript(error)) return client.eval(takeScript, keys.length, ...keys, ...values)
      throw error
    })
  return RateLimitStore.of({
    take: (takes, lease, answer) => {
      const keys = takes.map(({ key }) => key)
      run(keys, [lease, ...takes.flatMap(argumentsOf)]).then((reply) => readReply(reply, takes.length)).then(
        (taken) => answer(Result.succeed(taken)),
        (cause: unknown) => answer(Result.fail(new RateLimitStoreError({ reason: "failed", cause })))
      )
    },
    release: (slotKeys, lease) => {
      for (const key of slotKeys) client.zrem(key, lease).catch(failed)
    }
  })
}

/** In Redis, within a budget of time. */
export const layerRedis = (
  budget: RateLimitStoreBudget
): Layer.Layer<RateLimitStore, never, RedisConnection | Metrics> =>
  Layer.effect(
    RateLimitStore,
    Effect.gen(function*() {
      const { client } = yield* RedisConnection
      const { rateLimits: meters } = yield* Metrics
      const runFork = Effect.runForkWith(yield* Effect.context<never>())
      const store = redisStore(client, () => meters.storeError("failed"))
      return guarded(store, {
        budget,
        now: yield* monotonicReader,
        later: (delayMs, wake) => {
          // A reply that came while the event loop was busy lies in the socket: one more turn reads it first.
          runFork(Effect.sleep(delayMs).pipe(Effect.andThen(Effect.yieldNow), Effect.andThen(Effect.sync(wake))))
        },
        failed: (reason) => meters.storeError(reason)
      })
    })
  )
