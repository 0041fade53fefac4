/**
 * Rollouts kept in Redis, shared by all processes that use it.
 *
 *     sluice:rollout:1:{MODEL}:state                  hash: revision, state
 *     sluice:rollout:1:{MODEL}:counts:ROLLOUT:STEP    hash: a field a process; gone a day after the last report
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redis from "effect/persistence/Redis"
import * as Schema from "effect/Schema"
import type { RolloutState } from "./RolloutState.ts"
import { RolloutCountsJson, RolloutStateJson, RolloutStore, RolloutStoreError } from "./RolloutStore.ts"

/** The number changes when what is kept changes its form. It is none of the cache's keys, which are cleared. */
const root = "sluice:rollout:1:"
/** Braces keep a model's keys together where Redis is a cluster. */
const stateKey = (model: string): string => `${root}{${model}}:state`
const damagedKey = (model: string): string => `${root}{${model}}:damaged`
const countsKey = (model: string, rolloutId: string, step: number): string =>
  `${root}{${model}}:counts:${rolloutId}:${step}`

const secondsOfCounts = 86_400

const compareAndSet = Redis.script(
  (key: string, expected: string, revision: string, state: string) => [key, expected, revision, state],
  {
    numberOfKeys: 1,
    lua: `
if (redis.call("HGET", KEYS[1], "revision") or "") ~= ARGV[1] then return 0 end
redis.call("HSET", KEYS[1], "revision", ARGV[2], "state", ARGV[3])
return 1`
  }
).withReturnType<number>()

/** Puts a state aside that cannot be read, unless it was replaced meanwhile: else nothing could be written over it. */
const putAside = Redis.script((key: string, aside: string, state: string) => [key, aside, state], {
  numberOfKeys: 2,
  lua: `
if redis.call("HGET", KEYS[1], "state") == ARGV[1] then redis.call("RENAME", KEYS[1], KEYS[2]) end`
})

const keepReport = Redis.script((key: string, processId: string, counts: string) => [key, processId, counts], {
  numberOfKeys: 1,
  lua: `
redis.call("HSET", KEYS[1], ARGV[1], ARGV[2])
redis.call("EXPIRE", KEYS[1], ${secondsOfCounts})`
})

const encodeState = Schema.encodeSync(RolloutStateJson)
const decodeState = Schema.decodeOption(RolloutStateJson)
const encodeCounts = Schema.encodeSync(RolloutCountsJson)
const decodeCounts = Schema.decodeOption(RolloutCountsJson)

const failedAt = (operation: RolloutStoreError["operation"]) =>
  Effect.mapError(({ cause }: Redis.RedisError) => new RolloutStoreError({ operation, cause }))

export const layerRedis: Layer.Layer<RolloutStore, never, Redis.Redis> = Layer.effect(
  RolloutStore,
  Effect.gen(function*() {
    const redis = yield* Redis.Redis
    /** What was read last: it is asked for every second, and takes a millisecond to decode after many decisions. */
    const lastRead = new Map<string, { readonly text: string; readonly state: RolloutState }>()
    return RolloutStore.of({
      read: Effect.fnUntraced(function*(model) {
        const text = yield* redis.send<string | null>("HGET", stateKey(model), "state").pipe(failedAt("read"))
        if (text === null) return undefined
        const known = lastRead.get(model)
        if (known?.text === text) return known.state
        const state = decodeState(text)
        if (Option.isSome(state)) {
          lastRead.set(model, { text, state: state.value })
          return state.value
        }
        yield* Effect.logWarning(
          `${stateKey(model)} in Redis is damaged and counts as absent; it is kept as ${damagedKey(model)}`
        )
        yield* redis.eval(putAside)(stateKey(model), damagedKey(model), text).pipe(failedAt("read"))
        return undefined
      }),
      write: (model, expectedRevision, state) => {
        const expected = expectedRevision === undefined ? "" : String(expectedRevision)
        return redis.eval(compareAndSet)(stateKey(model), expected, String(state.revision), encodeState(state)).pipe(
          Effect.map((kept) => kept === 1),
          failedAt("write")
        )
      },
      report: (model, rolloutId, step, processId, counts) =>
        redis.eval(keepReport)(countsKey(model, rolloutId, step), processId, encodeCounts(counts)).pipe(
          failedAt("report")
        ),
      reports: (model, rolloutId, step) =>
        redis.send<ReadonlyArray<string>>("HVALS", countsKey(model, rolloutId, step)).pipe(
          // A report that cannot be read is replaced within a second by its process.
          Effect.map((texts) => texts.flatMap((text) => Option.toArray(decodeCounts(text)))),
          failedAt("reports")
        )
    })
  })
)
