/**
 * A store in Redis, shared by all processes that use it. What it may cost a request is bounded by `CacheStoreGuard.ts`.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Redis as Client } from "ioredis"
import { Metrics } from "../telemetry/Metrics.ts"
import { CACHE_ROOT, claimKey } from "./CacheKey.ts"
import { type CacheOperation, CacheStore, CacheStoreError, longestClaimMs } from "./CacheStore.ts"
import { type CacheStoreBudget, defaultCacheStoreBudget, guarded } from "./CacheStoreGuard.ts"
import { RedisConnection } from "./Redis.ts"

/** Keys a step of a scan looks at: small enough that Redis serves others in between. */
const scanStep = 1_000

/** A prefix as a pattern in which nothing but the end varies. */
const startingWith = (prefix: string): string => `${prefix.replace(/[\\*?[\]]/g, "\\$&")}*`

/** Stops early when nobody waits for it any more. */
async function* scan(client: Client, prefix: string, signal: AbortSignal): AsyncGenerator<ReadonlyArray<string>> {
  let cursor = "0"
  do {
    signal.throwIfAborted()
    const [next, keys] = await client.scan(cursor, "MATCH", startingWith(prefix), "COUNT", scanStep)
    cursor = next
    if (keys.length > 0) yield keys
  } while (cursor !== "0")
}

/** Sends all commands at once, and gives their replies; the first error among them fails all. */
const runPipeline = async (pipeline: ReturnType<Client["pipeline"]>): Promise<ReadonlyArray<unknown>> => {
  const replies = await pipeline.exec() ?? []
  return replies.map(([error, reply]) => {
    if (error !== null) throw error
    return reply
  })
}

/** An error that Redis itself answered with, and not the connection. */
const isRefusal = (cause: unknown): boolean => cause instanceof Error && cause.name === "ReplyError"

const asking =
  (operation: CacheOperation) => <A>(ask: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, CacheStoreError> =>
    Effect.tryPromise({
      try: ask,
      catch: (cause) => new CacheStoreError({ operation, reason: isRefusal(cause) ? "refused" : "failed", cause })
    })

/** KEYS: claims. ARGV[1]: a token. Deletes the claims that hold the token: none that ran out and is another's by now. */
const releaseScript =
  `for _, key in ipairs(KEYS) do if redis.call("GET", key) == ARGV[1] then redis.call("DEL", key) end end`

/** KEYS: claims. ARGV[1]: a token. ARGV[2]: milliseconds. Has the claims that hold the token last that long from now. */
const renewScript =
  `for _, key in ipairs(KEYS) do if redis.call("GET", key) == ARGV[1] then redis.call("PEXPIRE", key, ARGV[2]) end end`

/** One that does not end by itself, or not soon, was made by no process of ours: nobody waits for it. */
const isClaim = (leftMs: unknown): boolean => typeof leftMs === "number" && leftMs > 0 && leftMs <= longestClaimMs

const milliseconds = (duration: number): string => String(Math.max(1, Math.ceil(duration)))

const asBuffer = (value: Uint8Array): Buffer => Buffer.from(value.buffer, value.byteOffset, value.byteLength)

const claimsOn = (client: Client): CacheStore["Service"]["claims"] => ({
  claim: (keys, token, holdMs) =>
    asking("claim")(async () => {
      const pipeline = client.pipeline()
      for (const key of keys) pipeline.set(claimKey(key), token, "PX", milliseconds(holdMs), "NX")
      // Read after the claims: who computed a key before stored it before its claim ended.
      pipeline.mgetBuffer(...keys)
      const replies = await runPipeline(pipeline)
      const values = replies[keys.length]
      return keys.map((_, index) => {
        const value: unknown = Array.isArray(values) ? values[index] : undefined
        return { claimed: replies[index] === "OK", value: value instanceof Uint8Array ? value : undefined }
      })
    }),
  look: (keys) =>
    asking("look")(async () => {
      const pipeline = client.pipeline()
      for (const key of keys) pipeline.pttl(claimKey(key))
      // Read after the claims, as above.
      pipeline.mgetBuffer(...keys)
      const replies = await runPipeline(pipeline)
      const values = replies[keys.length]
      return keys.map((_, index) => {
        const value: unknown = Array.isArray(values) ? values[index] : undefined
        return { claimed: isClaim(replies[index]), value: value instanceof Uint8Array ? value : undefined }
      })
    }),
  renew: (keys, token, holdMs) =>
    asking("renew")(async () => {
      await client.eval(renewScript, keys.length, ...keys.map(claimKey), token, milliseconds(holdMs))
    }),
  release: (keys, token) =>
    asking("release")(async () => {
      await client.eval(releaseScript, keys.length, ...keys.map(claimKey), token)
    })
})

const storeOn = (client: Client): CacheStore["Service"] => ({
  held: () => undefined,
  getMany: (keys) =>
    asking("getMany")(async () => {
      if (keys.length === 0) return []
      const values = await client.mgetBuffer(...keys)
      return values.map((value) => value ?? undefined)
    }),
  setMany: (entries, timeToLive) =>
    asking("setMany")(async () => {
      const keptMs = milliseconds(Duration.toMillis(Duration.fromInputUnsafe(timeToLive)))
      const pipeline = client.pipeline()
      for (const { key, value } of entries) pipeline.set(key, asBuffer(value), "PX", keptMs)
      await runPipeline(pipeline)
    }),
  removeMany: (keys) =>
    asking("clear")(async () => {
      await client.unlink(...keys)
    }),
  clear: (prefix) =>
    asking("clear")(async (signal) => {
      let removed = 0
      for await (const keys of scan(client, prefix, signal)) removed += await client.unlink(...keys)
      return removed
    }),
  // A database may hold more than this cache, so its own totals say nothing: the entries are counted one by one.
  stats: asking("stats")(async (signal) => {
    let entries = 0
    let bytes = 0
    for await (const keys of scan(client, CACHE_ROOT, signal)) {
      const pipeline = client.pipeline()
      for (const key of keys) pipeline.memory("USAGE", key)
      const sizes = (await runPipeline(pipeline)).filter((size) => typeof size === "number")
      entries += sizes.length
      bytes += sizes.reduce((total, size) => total + size, 0)
    }
    return [{ tier: "redis", entries, bytes, evictions: 0, errors: 0 }]
  }),
  claims: claimsOn(client)
})

export const layerRedis = (
  budget: CacheStoreBudget = defaultCacheStoreBudget
): Layer.Layer<CacheStore, never, RedisConnection | Metrics> =>
  Layer.effect(
    CacheStore,
    Effect.gen(function*() {
      const { client } = yield* RedisConnection
      const metrics = yield* Metrics
      let errors = 0
      const store = guarded(storeOn(client), budget, {
        failed: (operation) => {
          errors++
          metrics.cacheStoreError(operation)
        },
        state: metrics.cacheStoreState
      })
      return { ...store, stats: Effect.map(store.stats, (tiers) => tiers.map((tier) => ({ ...tier, errors }))) }
    })
  )
