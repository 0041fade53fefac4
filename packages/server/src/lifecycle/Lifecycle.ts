/**
 * Where the server stands between start and end: what readiness says, and how it stops without losing a request.
 */
import { CacheStoreHealth } from "@sluice/core/cache/CacheStoreHealth"
import { ModelRegistry, type VersionInfo } from "@sluice/core/registry/ModelRegistry"
import type { Readiness, ReadinessPart } from "@sluice/domain/ModelInfo"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"

/** A version that does not route makes nobody wait: only default versions decide. */
/** A version that was put away is loaded for who asks, or stays away because an operator said so. */
const isReady = ({ state }: VersionInfo): boolean => state === "ready" || state === "unloaded"

const modelPart = (info: VersionInfo): ReadinessPart => ({
  name: info.model_id,
  status: isReady(info) ? "ready" : info.default ? "not_ready" : "degraded",
  ...(info.state === "ready" ? {} : { detail: info.state })
})

export class Lifecycle extends Context.Service<Lifecycle, {
  readonly draining: () => boolean
  /** From now on readiness fails; requests are still taken, for balancers notice late. */
  readonly drain: Effect.Effect<void>
  readonly closing: () => boolean
  /** From now on connections are closed after their next answer. */
  readonly close: Effect.Effect<void>
  readonly readiness: Effect.Effect<Readiness>
  /** Counts a call on a connection that stays open, so that the server can wait for it. */
  readonly track: <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Waits until no tracked call is under way. */
  readonly callsEnded: Effect.Effect<void>
}>()("sluice/server/Lifecycle") {
  static readonly layer = Layer.effect(
    Lifecycle,
    Effect.gen(function*() {
      const registry = yield* ModelRegistry
      const store = yield* CacheStoreHealth
      let draining = false
      let closing = false
      let calls = 0
      const idle = yield* Latch.make(true)
      const enter = Effect.suspend(() => calls++ === 0 ? idle.close : Effect.void)
      const leave = Effect.suspend(() => --calls === 0 ? idle.open : Effect.void)
      return Lifecycle.of({
        draining: () => draining,
        drain: Effect.sync(() => {
          draining = true
        }),
        closing: () => closing,
        close: Effect.sync(() => {
          closing = true
        }),
        track: (call) => Effect.acquireUseRelease(enter, () => call, () => leave),
        callsEnded: idle.await,
        readiness: Effect.gen(function*() {
          const models = (yield* registry.list).map(modelPart)
          const health = yield* store.state
          const parts: ReadonlyArray<ReadinessPart> = [
            ...models,
            ...(health === undefined ? [] : [{ name: "redis", status: health }]),
            ...(draining ? [{ name: "server", status: "not_ready" as const, detail: "draining" }] : [])
          ]
          return { ready: parts.every((part) => part.status !== "not_ready"), parts }
        })
      })
    })
  )
}
