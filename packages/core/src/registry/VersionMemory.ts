/**
 * Which versions are in memory: loads them within the limits, puts the least recently used away, and loads those again
 * that are asked for.
 */
import { ModelNotReady } from "@sluice/domain/Errors"
import type { CachedVersion, ModelCacheStats } from "@sluice/domain/ModelCacheStats"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { restartDelayMs } from "../execution/RestartRule.ts"
import { monotonicReader } from "../Monotonic.ts"
import { servedBy } from "./ModelRoute.ts"
import { answering, type ServedVersion } from "./ServedVersion.ts"
import { type CacheLimits, chooseEvictions, type LoadedVersion } from "./VersionEviction.ts"
import type { VersionSlot } from "./VersionSlot.ts"

/** How often the limits are looked at. */
const lookEvery = "1 second"

const limitOf = (limit: number): number | null => limit === Infinity ? null : limit

export const makeVersionMemory = Effect.fnUntraced(function*(limits: CacheLimits) {
  const now = yield* monotonicReader
  const scope = yield* Effect.scope
  const clock = yield* Clock.Clock
  /** Slots that were told to stay away until somebody loads them by hand. */
  const stopped = new WeakSet<VersionSlot>()
  /** Slots that load because somebody waits for them. */
  const demanded = new WeakSet<VersionSlot>()
  /** Slots whose last load was asked for by a caller and failed: how many did so in a row, and when the last one did. */
  const failedLoads = new WeakMap<VersionSlot, { readonly count: number; readonly atMs: number }>()
  const loaded = new Set<VersionSlot>()
  let hits = 0
  let misses = 0
  let evictions = 0

  const describe = (slot: VersionSlot): LoadedVersion => {
    const use = slot.served()?.use
    return {
      id: slot.id,
      bytes: slot.plan.memoryBytes,
      lastUsedMs: use?.lastUsedMs ?? Infinity,
      idle: use?.users === 0,
      pinned: slot.plan.entry.keepLoaded
    }
  }

  const put = (slot: VersionSlot) =>
    Effect.suspend(() => {
      loaded.delete(slot)
      return slot.unload
    })

  /** Puts away what the limits ask for; `arrival` is about to be loaded. */
  const makeRoom = (arrival?: VersionSlot) =>
    Effect.suspend(() => {
      const others = [...loaded].filter((slot) => slot !== arrival)
      const chosen = new Set(
        chooseEvictions(
          others.map(describe),
          limits,
          arrival === undefined ? undefined : { bytes: arrival.plan.memoryBytes }
        )
      )
      const leaving = others.filter((slot) => chosen.has(slot.id))
      evictions += leaving.length
      return Effect.forEach(leaving, (slot) =>
        Effect.andThen(
          Effect.logDebug(`${slot.id} is put away: others were used since, and there is room for no more`),
          put(slot)
        ), { concurrency: "unbounded", discard: true })
    })

  const loadNow = (slot: VersionSlot) =>
    Effect.suspend(() => {
      const room = loaded.has(slot) ? Effect.void : makeRoom(slot)
      loaded.add(slot)
      return Effect.andThen(room, slot.load).pipe(
        Effect.ensuring(Effect.sync(() => {
          const wasDemanded = demanded.delete(slot)
          if (slot.served() !== undefined) {
            failedLoads.delete(slot)
            return
          }
          loaded.delete(slot)
          if (!wasDemanded || slot.state() !== "failed") return
          failedLoads.set(slot, { count: (failedLoads.get(slot)?.count ?? 0) + 1, atMs: now() })
        }))
      )
    })

  /** Who asked may leave: others may have come to wait for the same load. */
  const load = (slot: VersionSlot): Effect.Effect<void> =>
    Effect.suspend(() => {
      stopped.delete(slot)
      return slot.served() === undefined
        ? Effect.flatMap(Effect.forkIn(loadNow(slot), scope, { startImmediately: true }), Fiber.join)
        : Effect.void
    })

  // What was in use when room was needed is put away when it is idle.
  if (limits.versions < Infinity || limits.bytes < Infinity) {
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(lookEvery), makeRoom())))
  }

  const waitFor = (slot: VersionSlot): Effect.Effect<ServedVersion, ModelNotReady> =>
    Effect.suspend(() => {
      misses++
      demanded.add(slot)
      return Effect.flatMap(load(slot), () =>
        Effect.suspend(() => loadAgainLater(slot) ?? Effect.fromResult(servedBy(slot))))
    })

  /** How long until a load that failed may be tried for a caller again, in milliseconds; undefined where it is not. */
  const retryInMs = (slot: VersionSlot): number | undefined => {
    const failed = slot.state() === "failed" && slot.served() === undefined ? failedLoads.get(slot) : undefined
    return failed === undefined ? undefined : Math.max(0, failed.atMs + restartDelayMs(failed.count) - now())
  }

  /** Put away, but not by hand, or on its way back for those who wait. */
  const comesBack = (slot: VersionSlot): boolean => {
    const state = slot.state()
    const isAway = (state === "unloaded" || state === "draining") && !stopped.has(slot)
    return isAway || (state === "loading" && demanded.has(slot))
  }

  const loadAgainLater = (slot: VersionSlot): Effect.Effect<never, ModelNotReady> | undefined => {
    const retryAfterMs = retryInMs(slot)
    const { model, version } = slot.plan.entry
    return retryAfterMs === undefined
      ? undefined
      : Effect.fail(new ModelNotReady({ model, version, state: "failed", retryAfterMs }))
  }

  return {
    /** The slot's version for a request, if it is in memory. */
    take: (slot: VersionSlot): Result.Result<ServedVersion, ModelNotReady> => {
      const served = servedBy(slot)
      if (Result.isFailure(served)) return served
      hits++
      return served.success.underLoad === undefined ? served : Result.succeed(answering(served.success))
    },
    /** Loads the slot's version for a request that waits; undefined where it is no use to wait. */
    demand: (slot: VersionSlot): Effect.Effect<ServedVersion, ModelNotReady> | undefined =>
      comesBack(slot) || retryInMs(slot) === 0 ? waitFor(slot) : loadAgainLater(slot),
    comesBack,
    /** Whether it did not load for a caller, and is tried again for the next one. */
    isRetried: (slot: VersionSlot): boolean => retryInMs(slot) !== undefined,
    load,
    /** Puts a version away for good: it is no longer in the registry. */
    release: put,
    /** Puts a version away until it is loaded by hand. */
    stop: (slot: VersionSlot) =>
      Effect.suspend(() => {
        stopped.add(slot)
        return put(slot)
      }),
    clear: (slots: ReadonlyArray<VersionSlot>) =>
      Effect.suspend(() => {
        const idle = slots.filter((slot) => {
          const { idle, pinned } = describe(slot)
          return idle && !pinned && slot.served() !== undefined
        })
        return Effect.as(Effect.forEach(idle, put, { concurrency: "unbounded", discard: true }), idle.length)
      }),
    stats: (slots: ReadonlyArray<VersionSlot>): ModelCacheStats => {
      const sinceEpochMs = clock.currentTimeMillisUnsafe() - now()
      const versions = slots.map((slot): CachedVersion => {
        const use = slot.served()?.use
        return {
          model_id: slot.id,
          state: slot.state(),
          bytes: use === undefined ? 0 : slot.plan.memoryBytes,
          load_ms: slot.loadMs() ?? null,
          last_used: use === undefined ? null : new Date(sinceEpochMs + use.lastUsedMs).toISOString(),
          pinned: slot.plan.entry.keepLoaded
        }
      })
      return {
        hits,
        misses,
        evictions,
        loaded: versions.filter(({ last_used }) => last_used !== null).length,
        capacity: limitOf(limits.versions),
        bytes: versions.reduce((sum, { bytes }) => sum + bytes, 0),
        budget_bytes: limitOf(limits.bytes),
        versions
      }
    }
  }
})

export type VersionMemory = Effect.Success<ReturnType<typeof makeVersionMemory>>
