/**
 * Whether the cache's store answers: for readiness, where a degraded store is no reason to refuse requests.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

export class CacheStoreHealth extends Context.Service<CacheStoreHealth, {
  /** Undefined for a store in this process, which has nothing to lose. */
  readonly state: Effect.Effect<"ready" | "degraded" | undefined>
}>()("sluice/CacheStoreHealth") {
  static readonly layerLocal: Layer.Layer<CacheStoreHealth> = Layer.succeed(CacheStoreHealth, {
    state: Effect.undefined
  })
}
