/**
 * Caches over a real Redis, for tests.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CacheStore } from "../../src/cache/CacheStore.ts"
import { type CacheStoreBudget, defaultCacheStoreBudget } from "../../src/cache/CacheStoreGuard.ts"
import { CacheStoreHealth } from "../../src/cache/CacheStoreHealth.ts"
import { layerTiered } from "../../src/cache/CacheStoreTiered.ts"
import { layer as layerConnection } from "../../src/cache/Redis.ts"
import { layerRedis } from "../../src/cache/RedisCache.ts"

/** Ready when the connection is; a test that waits in vain ends by its own limit. */
const connected = Layer.effectDiscard(
  Effect.flatMap(
    CacheStoreHealth,
    ({ state }) => Effect.repeat(Effect.delay(state, "5 millis"), { until: (health) => health === "ready" })
  )
)

const budgetOf = (budget: Partial<CacheStoreBudget>) => ({ ...defaultCacheStoreBudget, ...budget })

/** Two tiers, as a server has them. */
export const tieredAt = (port: number, budget: Partial<CacheStoreBudget> = {}, maxBytes = 10_000_000) =>
  Layer.fresh(connected).pipe(
    Layer.provideMerge(layerTiered({ maxBytes })),
    Layer.provide(Layer.fresh(layerRedis(budgetOf(budget)))),
    Layer.provide(Layer.fresh(layerConnection({ host: "127.0.0.1", port, db: 0 })))
  )

/** The store of another process, by a connection of its own. */
export const storeOf = <R>(layer: Layer.Layer<CacheStore, never, R>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, CacheStore))
