/**
 * A model behind a PredictionCache, for its tests.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { namespaceOf } from "../../src/cache/CacheKey.ts"
import type { CacheStore } from "../../src/cache/CacheStore.ts"
import { layerMemory } from "../../src/cache/CacheStoreMemory.ts"
import { type CacheMode, PredictionCache } from "../../src/cache/PredictionCache.ts"
import type { ItemOutput } from "../../src/ItemOutput.ts"
import { Metrics } from "../../src/telemetry/Metrics.ts"

export type Outcome = Result.Result<ItemOutput, string>

export const outputOf = (name: string): ItemOutput => ({
  cost: name.length,
  outputs: { label: { datatype: "BYTES", shape: [1], data: [name] } }
})
export const namesOf = (outcomes: ReadonlyArray<Outcome>) =>
  outcomes.map((outcome) =>
    Result.isSuccess(outcome) ? outcome.success.outputs["label"]?.data[0] : `failed: ${outcome.failure}`
  )

export const namespace = namespaceOf({ model: "m", version: "v1", precision: "fp32", plugin: "text", options: {} })

/** A model that upper-cases texts, and remembers what it was given. */
export const model = () => {
  const computed: Array<ReadonlyArray<string>> = []
  const compute = (texts: ReadonlyArray<string>) => (indexes: ReadonlyArray<number>) =>
    Effect.sync((): ReadonlyArray<Outcome> => {
      const items = indexes.map((index) => texts[index] ?? "none")
      computed.push(items)
      return items.map((item) =>
        item.startsWith("bad") ? Result.fail(`cannot take ${item}`) : Result.succeed(outputOf(item.toUpperCase()))
      )
    })
  return { computed, compute }
}

export type Compute = (indexes: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<Outcome>, string>

export const ask = (
  texts: ReadonlyArray<string>,
  compute: Compute,
  options: { readonly mode?: CacheMode; readonly namespace?: typeof namespace } = {}
) =>
  Effect.flatMap(PredictionCache, (cache) =>
    cache.resolve({
      namespace: options.namespace ?? namespace,
      inputs: texts.map((text) => ({ _tag: "Text" as const, text })),
      mode: options.mode ?? "use",
      compute
    }))

export const cacheOver = <E, R>(store: Layer.Layer<CacheStore, E, R>) =>
  PredictionCache.layer({ timeToLive: "10 minutes" }).pipe(
    Layer.provideMerge(store),
    Layer.provideMerge(Metrics.layer({ enabled: true }))
  )
export const memory = () => cacheOver(layerMemory({ maxBytes: 1_000_000 }))

/** A caller that computes when told to; `started` says when it was asked to, and for which places. */
export const held = () => {
  const started = Deferred.makeUnsafe<ReadonlyArray<number>>()
  const answer = Deferred.makeUnsafe<ReadonlyArray<Outcome>, string>()
  const compute: Compute = (indexes) => Effect.andThen(Deferred.succeed(started, indexes), Deferred.await(answer))
  return { started, answer, compute }
}
export const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })
export const unasked: Compute = () => Effect.die(new Error("was computed"))
