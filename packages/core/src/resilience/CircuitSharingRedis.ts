/**
 * Circuits shared over Redis by all processes that use it.
 *
 *     sluice:breaker:1:{circuits}:states      hash: a field a circuit, "STATE REVISION OPEN_UNTIL_MS BY"
 *     sluice:breaker:1:{circuits}:revision    counts up with every change, and is never issued twice
 *     sluice:breaker:1:{circuits}:probe:KEY   who may probe; lapses by itself
 *
 * Times are Redis' own, so that the clocks of the processes do not matter. All of it is gone a day after the last change.
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
local revision = int(math.max((tonumber(redis.call("GET", KEYS[2])) or 0) + 1, micros))
redis.call("SET", KEYS[2], revision, "PX", ${dayMs})
redis.call("HSET", KEYS[1], ARGV[1], table.concat({ ARGV[2], revision, int(now + tonumber(ARGV[3])), ARGV[4] }, " "))
redis.call("PEXPIRE", KEYS[1], ${dayMs})
if redis.call("GET", KEYS[3]) == ARGV[4] then redis.call("DEL", KEYS[3]) end
return 1`
  }
)

/** The revision and, where it is not the one that is known, Redis' time and every circuit. */
const changesScript = Redis.script((known: number) => [statesKey, revisionKey, String(known)], {
  numberOfKeys: 2,
  lua: `${prelude}
local revision = redis.call("GET", KEYS[2]) or "0"
if revision == ARGV[1] then return { revision, int(now), {} } end
return { revision, int(now), redis.call("HGETALL", KEYS[1]) }`
}).withReturnType<readonly [revision: string, nowMs: string, circuits: ReadonlyArray<string>]>()

/** "granted"; "held" and for how long; or "changed", Redis' time and the state, where another has told it meanwhile. */
const claimScript = Redis.script(
  (key: string, known: number, by: string) => [statesKey, probeKey(key), key, String(known), by],
  {
    numberOfKeys: 2,
    lua: `${prelude}
local told = redis.call("HGET", KEYS[1], ARGV[1])
if told then
  local revision, by = string.match(told, "^%a+ (%d+) %d+ (.+)$")
  if by ~= ARGV[3] and tonumber(revision) > tonumber(ARGV[2]) then return { "changed", int(now), told } end
end
local holder = redis.call("GET", KEYS[2])
if holder and holder ~= ARGV[3] then return { "held", tostring(redis.call("PTTL", KEYS[2])), "" } end
redis.call("SET", KEYS[2], ARGV[3], "PX", ${probeLeaseMs})
return { "granted", "0", "" }`
  }
).withReturnType<readonly [verdict: string, ms: string, told: string]>()

const releaseScript = Redis.script((key: string, by: string) => [probeKey(key), by], {
  numberOfKeys: 1,
  lua: `if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("DEL", KEYS[1]) end return 1`
})

interface Told {
  readonly revision: number
  readonly by: string
  readonly news: CircuitNews
}

const form = /^(open|closed) (\d+) (\d+) (\S+)$/

/** Undefined where it has not our form. */
const toldOf = (key: string, text: string, nowMs: number): Told | undefined => {
  const [, state, revision, openUntilMs, by = ""] = form.exec(text) ?? []
  if (state === undefined) return undefined
  return {
    revision: Number(revision),
    by,
    news: state === "open"
      ? { key, state, openForMs: Math.max(0, Number(openUntilMs) - nowMs) }
      : { key, state: "closed" }
  }
}

const failedAt = (operation: CircuitSharingError["operation"]) =>
  Effect.mapError(({ cause }: Redis.RedisError) => new CircuitSharingError({ operation, cause }))

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
      let known = 0
      return {
        publish: (news: CircuitNews) =>
          publish(news.key, news.state, news.state === "open" ? news.openForMs : 0, own).pipe(
            failedAt("publish"),
            Effect.asVoid
          ),
        changes: Effect.suspend(() => changes(known)).pipe(
          Effect.map(([revision, nowMs, flat]) => {
            // A Redis that was emptied begins anew, and what it is told from then on is news.
            const since = Number(revision) < known ? 0 : known
            known = Number(revision)
            return flat.flatMap((text, i) => {
              const told = i % 2 === 0 ? undefined : toldOf(flat[i - 1] ?? "", text, Number(nowMs))
              return told === undefined || told.revision <= since || told.by === own ? [] : [told.news]
            })
          }),
          failedAt("changes")
        ),
        claimProbe: (key: string) =>
          claim(key, known, own).pipe(
            Effect.map(([verdict, ms, text]): ProbeClaim => {
              if (verdict === "held") {
                return { _tag: "Held", retryAfterMs: Math.min(heldRetryMs, Math.max(1, Number(ms))) }
              }
              const told = verdict === "changed" ? toldOf(key, text, Number(ms)) : undefined
              return told === undefined ? { _tag: "Granted" } : { _tag: "Changed", news: told.news }
            }),
            failedAt("claim")
          ),
        releaseProbe: (key: string) => release(key, own).pipe(failedAt("release"), Effect.asVoid)
      }
    })
    return CircuitSharing.of({ join })
  })
)
