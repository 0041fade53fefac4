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
import { renewScript } from "./RenewScript.ts"
import { takeScript } from "./TakeScript.ts"

interface Script {
  readonly text: string
  readonly sha: string
}

const scriptOf = (text: string): Script => ({ text, sha: hash("sha1", text) })
const taking = scriptOf(takeScript)
const renewing = scriptOf(renewScript)

/** Renewed by one command: more would keep Redis from others for a noticeable time. */
const mostRenewed = 1_000

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

/** What Redis answers instead of doing it. That it cannot be reached is told by its connection. */
const isRefusal = (cause: unknown): cause is Error => cause instanceof Error && cause.name === "ReplyError"

/** Refusals are logged once in so many milliseconds. */
const quietMs = 60_000

/** `failed` hears of what nobody waits for. */
export const redisStore = (client: Client, failed: (cause: unknown) => void): RateLimitStore["Service"] => {
  const run = (
    { sha, text }: Script,
    keys: ReadonlyArray<string>,
    values: ReadonlyArray<string | number>
  ): Promise<unknown> =>
    client.evalsha(sha, keys.length, ...keys, ...values).catch((error: unknown) => {
      // A Redis that was started anew, or another than before, learns the script with this call.
      if (isUnknownScript(error)) return client.eval(text, keys.length, ...keys, ...values)
      throw error
    })
  return RateLimitStore.of({
    take: (takes, lease, answer) => {
      const keys = takes.map(({ key }) => key)
      run(taking, keys, [lease, ...takes.flatMap(argumentsOf)]).then((reply) => readReply(reply, takes.length)).then(
        (taken) => answer(Result.succeed(taken)),
        (cause: unknown) => answer(Result.fail(new RateLimitStoreError({ reason: "failed", cause })))
      )
    },
    release: (slotKeys, lease) => {
      for (const key of slotKeys) client.zrem(key, lease).catch(failed)
    },
    renew: (holders, leaseMs) => {
      const slots = holders.flatMap(({ lease, slotKeys }) => slotKeys.map((key) => ({ key, lease })))
      for (let from = 0; from < slots.length; from += mostRenewed) {
        const some = slots.slice(from, from + mostRenewed)
        const values = [microseconds(leaseMs), ...some.map(({ lease }) => lease)]
        run(renewing, some.map(({ key }) => key), values).catch(failed)
      }
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
      const now = yield* monotonicReader
      let quietUntilMs = -Infinity
      const failed = (reason: "slow" | "failed", cause: unknown): void => {
        meters.storeError(reason)
        if (!isRefusal(cause) || now() < quietUntilMs) return
        quietUntilMs = now() + quietMs
        runFork(Effect.logWarning(`redis refuses what rate limits ask of it: ${cause.message}`))
      }
      const store = redisStore(client, (cause) => failed("failed", cause))
      return guarded(store, {
        budget,
        now,
        later: (delayMs, wake) => {
          // A reply that came while the event loop was busy lies in the socket: one more turn reads it first.
          runFork(Effect.sleep(delayMs).pipe(Effect.andThen(Effect.yieldNow), Effect.andThen(Effect.sync(wake))))
        },
        failed
      })
    })
  )
