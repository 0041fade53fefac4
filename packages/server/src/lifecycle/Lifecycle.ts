/**
 * Where the server stands between start and end: what readiness says, and how it stops without losing a request.
 */
import { CacheStoreHealth } from "@sluice/core/cache/CacheStoreHealth"
import { ModelRegistry, type VersionInfo } from "@sluice/core/registry/ModelRegistry"
import type { Readiness, ReadinessPart } from "@sluice/domain/ModelInfo"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** A version that does not route makes nobody wait: only default versions decide. */
const modelPart = (info: VersionInfo): ReadinessPart => ({
  name: info.model_id,
  status: info.state === "ready" ? "ready" : info.default ? "not_ready" : "degraded",
  ...(info.state === "ready" ? {} : { detail: info.state })
})

export class Lifecycle extends Context.Service<Lifecycle, {
  readonly draining: () => boolean
  /** From now on readiness fails, and connections are closed after their next answer. */
  readonly drain: Effect.Effect<void>
  readonly readiness: Effect.Effect<Readiness>
}>()("sluice/server/Lifecycle") {
  static readonly layer = Layer.effect(
    Lifecycle,
    Effect.gen(function*() {
      const registry = yield* ModelRegistry
      const store = yield* CacheStoreHealth
      let draining = false
      return Lifecycle.of({
        draining: () => draining,
        drain: Effect.sync(() => {
          draining = true
        }),
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
