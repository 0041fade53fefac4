/**
 * Circuits shared over Redis by all processes that use it.
 *
 *     sluice:breaker:1:{circuits}:states      hash: a field a circuit, "STATE REVISION OPEN_UNTIL_MS BY"
 *     sluice:breaker:1:{circuits}:revision    another with every change: it counts up, unless Redis has lost it
 *     sluice:breaker:1:{circuits}:probe:KEY   who may probe; lapses by itself
 *
 * Times are Redis' own, so that the clocks of the processes do not matter. All of it is gone a day after the last change. What
 * is news to a process goes by the text that it has read before, not by the order of revisions, which a failover may turn back.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import { randomUUID } from "node:crypto"
import {
  type CircuitNews,
  CircuitSharing,
  CircuitSharingError,
  heldRetryMs,
  type ProbeClaim,
  probeLeaseMs
} from "./CircuitSharing.ts"

/** The number changes when what is kept changes its form. It is none of the cache's keys, which are cleared. */
const root = "sluice:breaker:1:{circuits}:"
const statesKey = `${root}states`
const revisionKey = `${root}revision`
const probeKey = (key: string): string => `${root}probe:${key}`

const dayMs = 86_400_000

const prelude = `
local time = redis.call("TIME")
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)
local function int(n) return string.format("%.0f", n) end
`

/** Sets a circuit's state, and gives the right to probe back. */
const publishScript = Redis.script(
  (key: string, state: CircuitNews["state"], openForMs: number, by: string) => [
    statesKey,
    revisionKey,
    probeKey(key),
    key,
    state,
    String(Math.ceil(openForMs)),
    by
  ],
  {
    numberOfKeys: 3,
    lua: `${prelude}
local counted = tonumber(redis.call("GET", KEYS[2]) or "0") or 0
-- What cannot be counted on, or is nothing that was issued here, begins anew.
if not (counted >= 0 and counted < 2 ^ 52) then counted = 0 end
local revision = int(math.max(counted + 1, micros))
redis.call("SET", KEYS[2], revision, "PX", ${dayMs})
redis.call("HSET", KEYS[1], ARGV[1], table.concat({ ARGV[2], revision, int(now + tonumber(ARGV[3])), ARGV[4] }, " "))
redis.call("PEXPIRE", KEYS[1], ${dayMs})
if redis.call("GET", KEYS[3]) == ARGV[4] then redis.call("DEL", KEYS[3]) end
return 1`
  }
)

/** The revision and, where it is not the one that is known, Redis' time and every circuit. */
const changesScript = Redis.script((known: string) => [statesKey, revisionKey, known], {
  numberOfKeys: 2,
  lua: `${prelude}
local revision = redis.call("GET", KEYS[2]) or ""
if revision == ARGV[1] then return { revision, int(now), {} } end
return { revision, int(now), redis.call("HGETALL", KEYS[1]) }`
}).withReturnType<readonly [revision: string, nowMs: string, circuits: ReadonlyArray<string>]>()

/** "granted"; "held" and for how long; or "changed", Redis' time and the state, where it is not the one that was read last. */
const claimScript = Redis.script(
  (key: string, read: string, by: string) => [statesKey, probeKey(key), key, read, by],
  {
    numberOfKeys: 2,
    lua: `${prelude}
local told = redis.call("HGET", KEYS[1], ARGV[1])
if told and told ~= ARGV[2] and string.match(told, " (%S+)$") ~= ARGV[3] then return { "changed", int(now), told } end
local holder = redis.call("GET", KEYS[2])
local left = redis.call("PTTL", KEYS[2])
-- A lease that does not lapse in its time is none of ours.
if holder and holder ~= ARGV[3] and left >= 0 and left <= ${probeLeaseMs} then return { "held", tostring(left), "" } end
redis.call("SET", KEYS[2], ARGV[3], "PX", ${probeLeaseMs})
return { "granted", "0", "" }`
  }
).withReturnType<readonly [verdict: string, ms: string, told: string]>()

const releaseScript = Redis.script((key: string, by: string) => [probeKey(key), by], {
  numberOfKeys: 1,
  lua: `if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("DEL", KEYS[1]) end return 1`
})

const keyForm = /^model:[^\s:@]+@[^\s:@]+$/
const form = /^(open|closed) (\d+) (\d+) (\S+)$/

/** What another process has told; undefined where it is this one's own word, or has not our form. */
const newsIn = (key: string, text: string, nowMs: number, own: string): CircuitNews | undefined => {
  const [, state, revision, openUntilMs, by] = form.exec(text) ?? []
  const isOurs = keyForm.test(key) && Number.isSafeInteger(Number(revision)) &&
    Number.isSafeInteger(Number(openUntilMs))
  if (state === undefined || !isOurs || by === own) return undefined
  return state === "open"
    ? { key, state, openForMs: Math.max(0, Number(openUntilMs) - nowMs) }
    : { key, state: "closed" }
}

/** An error that Redis itself answered with, and not the connection. */
const isRefusal = (cause: unknown): boolean => cause instanceof Error && cause.name === "ReplyError"

const failedAt = (operation: CircuitSharingError["operation"]) =>
  Effect.mapError(({ cause }: Redis.RedisError) =>
    new CircuitSharingError({ operation, reason: isRefusal(cause) ? "refused" : "failed", cause })
  )

export const layerRedis: Layer.Layer<CircuitSharing, never, Redis.Redis> = Layer.effect(
  CircuitSharing,
  Effect.gen(function*() {
    const redis = yield* Redis.Redis
    const publish = redis.eval(publishScript)
    const changes = redis.eval(changesScript)
    const claim = redis.eval(claimScript)
    const release = redis.eval(releaseScript)

    const join = Effect.sync(() => {
      const own = randomUUID()
      let known = "none yet"
      /** By key, the text that was read last. */
      let read: ReadonlyMap<string, string> = new Map()
      return {
        publish: (news: CircuitNews) =>
          publish(news.key, news.state, news.state === "open" ? news.openForMs : 0, own).pipe(
            failedAt("publish"),
            Effect.asVoid
          ),
        changes: Effect.suspend(() => changes(known)).pipe(
          Effect.map(([revision, nowMs, flat]) => {
            if (revision === known) return []
            const before = read
            const texts = new Map<string, string>()
            for (let i = 1; i < flat.length; i += 2) texts.set(flat[i - 1]!, flat[i]!)
            known = revision
            read = texts
            return [...texts].flatMap(([key, text]) => {
              const news = before.get(key) === text ? undefined : newsIn(key, text, Number(nowMs), own)
              return news === undefined ? [] : [news]
            })
          }),
          failedAt("changes")
        ),
        claimProbe: (key: string) =>
          Effect.suspend(() => claim(key, read.get(key) ?? "", own)).pipe(
            Effect.map(([verdict, ms, text]): ProbeClaim => {
              if (verdict === "held") {
                return { _tag: "Held", retryAfterMs: Math.min(heldRetryMs, Math.max(1, Number(ms))) }
              }
              if (verdict !== "changed") return { _tag: "Granted" }
              read = new Map(read).set(key, text)
              const news = newsIn(key, text, Number(ms), own)
              return news === undefined ? { _tag: "Granted" } : { _tag: "Changed", news }
            }),
            failedAt("claim")
          ),
        releaseProbe: (key: string) => release(key, own).pipe(failedAt("release"), Effect.asVoid)
      }
    })
    return CircuitSharing.of({ join })
  })
)
