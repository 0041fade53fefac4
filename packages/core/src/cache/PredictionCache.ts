/**
 * Whether an item is answered from the cache, by waiting for another caller that computes it now, or by computing it; and
 * from the cache past its time, where the model cannot answer. Nothing here can fail a request: a store that fails is a
 * store that has nothing.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { ItemOutput } from "../ItemOutput.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { type CacheAnswer, CacheAnswering } from "./CacheAnswering.ts"
import { CACHE_ROOT, type CacheInput, type CacheNamespace, itemKey, modelPrefix } from "./CacheKey.ts"
import { CacheStore, type CacheStoreError, type CacheTierStats } from "./CacheStore.ts"
import type { Flight } from "./Flights.ts"
import { type Freshness, judge, type Judged } from "./Freshness.ts"
import { makeMissComputation, type Outcomes } from "./MissComputation.ts"

export type { CacheAnswer, CacheStatus } from "./CacheAnswering.ts"

/** `use`: look up, compute what is missing, store it. `refresh`: compute, then store. `bypass`: compute only. */
export type CacheMode = "use" | "refresh" | "bypass"

/** What is asked of the cache. */
export interface CacheLookup {
  readonly namespace: CacheNamespace
  readonly inputs: ReadonlyArray<CacheInput>
  readonly freshness?: Freshness | undefined
  /** Whether what was stored is an answer of the model's: what is not is computed anew, and replaced. */
  readonly accepts?: ((output: ItemOutput) => boolean) | undefined
}

export interface CacheRequest<E, R> extends CacheLookup {
  readonly mode: CacheMode
  /** Milliseconds that entries are kept past their time, for when the model cannot answer. */
  readonly keepStaleMs?: number
  /** Whether a failure means that the model cannot answer now, so that an entry past its time is better than none. */
  readonly isUnavailable?: (error: E) => boolean
  /** Computes the inputs at these places; one result each, in their order. May be called a second time, for others. */
  readonly compute: (indexes: ReadonlyArray<number>) => Effect.Effect<Outcomes<E>, E, R>
}

/** Of one model, since the start: items. `stale` are among the misses. */
export interface ModelCacheCounts {
  readonly model: string
  readonly hits: number
  readonly misses: number
  readonly stale: number
}

/**
 * `hits` and `misses` count items since the start; `entries` and `bytes` are those of the tier that holds most. A tier
 * that does not answer is not among the tiers.
 */
export interface CacheStats {
  readonly hits: number
  readonly misses: number
  readonly stale: number
  readonly entries: number
  readonly bytes: number
  readonly tiers: ReadonlyArray<CacheTierStats>
  readonly models: ReadonlyArray<ModelCacheCounts>
}

export class PredictionCache extends Context.Service<PredictionCache, {
  readonly resolve: <E, R = never>(request: CacheRequest<E, R>) => Effect.Effect<CacheAnswer<E>, E, R>
  /** The answer at once, where this process holds all of it; undefined and nothing counted where it does not. */
  readonly held: (lookup: CacheLookup) => CacheAnswer<never> | undefined
  readonly stats: Effect.Effect<CacheStats>
  /** Forgets a model, or everything, and gives how many entries were removed. */
  readonly clear: (model?: string) => Effect.Effect<number, CacheStoreError>
}>()("sluice/PredictionCache") {
  /** `timeToLive`: how long an entry is kept, within 10 % so that what was stored together does not expire together. */
  static readonly layer = (
    options: { readonly timeToLive: Duration.Input }
  ): Layer.Layer<PredictionCache, never, CacheStore | Metrics> =>
    Layer.effect(PredictionCache, make(Duration.fromInputUnsafe(options.timeToLive)))

  /** No cache: everything is computed, and no key is made. */
  static readonly layerDisabled: Layer.Layer<PredictionCache> = Layer.sync(PredictionCache, () =>
    PredictionCache.of({
      resolve: bypass,
      held: () => undefined,
      stats: Effect.succeed({ hits: 0, misses: 0, stale: 0, entries: 0, bytes: 0, tiers: [], models: [] }),
      clear: () => Effect.succeed(0)
    }))
}

const bypass = <E, R>({ compute, inputs }: CacheRequest<E, R>): Effect.Effect<CacheAnswer<E>, E, R> =>
  Effect.map(compute(Array.from(inputs.keys())), (outcomes) => {
    const none = inputs.map(() => false)
    return { outcomes, hits: none, stale: none, status: "bypass", ageMs: undefined }
  })

/** Each key's first place in the request: equal items are looked up and computed once. */
const firstPlaces = (keys: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const places = new Map<string, number>()
  keys.forEach((key, place) => {
    if (!places.has(key)) places.set(key, place)
  })
  return places
}

/** An entry's value, as far as this lookup can use it. */
const readEntry = (
  { accepts, freshness }: CacheLookup,
  key: string,
  value: Uint8Array | undefined,
  now: number
): Judged | undefined => {
  const judged = judge(key, value, now, freshness)
  return judged === undefined || accepts === undefined || accepts(judged.stored.output) ? judged : undefined
}

const make = Effect.fnUntraced(function*(timeToLive: Duration.Duration) {
  const store = yield* CacheStore
  const metrics = yield* Metrics
  const clock = yield* Clock.Clock
  const { compute, flights, forget } = yield* makeMissComputation(timeToLive)
  const counts = new Map<string, { hits: number; misses: number; stale: number }>()

  const countsOf = (model: string) => {
    const known = counts.get(model)
    if (known !== undefined) return known
    const fresh = { hits: 0, misses: 0, stale: 0 }
    counts.set(model, fresh)
    return fresh
  }

  const count = ({ model, version }: CacheNamespace, hits: number, misses: number): void => {
    const ofModel = countsOf(model)
    ofModel.hits += hits
    ofModel.misses += misses
    metrics.recorder(model, version).cacheItems(hits, misses)
  }

  const countStale = ({ model, version }: CacheNamespace, items: number): void => {
    if (items === 0) return
    countsOf(model).stale += items
    metrics.recorder(model, version).cacheStale(items)
  }

  const held = (lookup: CacheLookup): CacheAnswer<never> | undefined => {
    const { inputs, namespace } = lookup
    const now = clock.currentTimeMillisUnsafe()
    const outcomes: Array<Result.Result<ItemOutput>> = []
    let oldest = now
    for (const input of inputs) {
      const key = itemKey(namespace, input)
      const judged = readEntry(lookup, key, store.held(key, now), now)
      if (judged?.fresh !== true) return undefined
      oldest = Math.min(oldest, judged.stored.times.storedAt)
      outcomes.push(Result.succeed(judged.stored.output))
    }
    count(namespace, outcomes.length, 0)
    return {
      outcomes,
      hits: outcomes.map(() => true),
      stale: outcomes.map(() => false),
      status: "hit",
      ageMs: now - oldest
    }
  }

  /** Fills in the outcomes that are not there: by computing, and by waiting for those who compute already. */
  const complete = Effect.fnUntraced(function*<E, R>(
    request: CacheRequest<E, R>,
    places: ReadonlyMap<string, number>,
    answering: CacheAnswering<E>,
    missing: ReadonlyArray<string>,
    awaited: ReadonlyArray<Flight>
  ) {
    const { keepStaleMs = 0, mode, namespace } = request
    const computeAll = (keys: ReadonlyArray<string>) =>
      Effect.map(
        compute({
          kind: namespace.prefix,
          compute: (ofKeys) => request.compute(ofKeys.map((key) => places.get(key) ?? 0)),
          shared: mode === "use",
          keepStaleMs,
          read: (key, value) => readEntry(request, key, value, clock.currentTimeMillisUnsafe())
        }, keys),
        (computed) => computed.forEach((outcome, index) => answering.computed(keys[index] ?? "", outcome))
      )
    if (missing.length > 0) yield* computeAll(missing)
    const abandoned: Array<string> = []
    for (const { key, landing } of awaited) {
      const output = yield* Deferred.await(landing)
      if (output === undefined) abandoned.push(key)
      else answering.computed(key, Result.succeed(output))
    }
    // Whoever waited once computes, whatever others do now: a chain of failing leaders would have no bound.
    if (abandoned.length > 0) yield* computeAll(abandoned)
  })

  /** Where the model cannot answer, what is past its time does. */
  const completeOrStale = <E, R>(
    request: CacheRequest<E, R>,
    places: ReadonlyMap<string, number>,
    answering: CacheAnswering<E>,
    missing: ReadonlyArray<string>,
    awaited: ReadonlyArray<Flight>
  ): Effect.Effect<void, E, R> => {
    const completed = complete(request, places, answering, missing, awaited)
    const { isUnavailable } = request
    if (isUnavailable === undefined || !answering.hasStale) return completed
    return completed.pipe(
      Effect.catchIf(
        (error) => isUnavailable(error),
        (error) => Effect.sync(() => answering.unavailable(error))
      ),
      Effect.andThen(Effect.sync(() => countStale(request.namespace, answering.useStale(isUnavailable))))
    )
  }

  const use = <E, R>(request: CacheRequest<E, R>, keys: ReadonlyArray<string>) => {
    const places = firstPlaces(keys)
    const distinct = Array.from(places.keys())
    const found = Effect.match(store.getMany(distinct), { onSuccess: (values) => values, onFailure: () => [] })
    return Effect.flatMap(found, (values) => {
      const now = clock.currentTimeMillisUnsafe()
      const answering = new CacheAnswering<E>(keys)
      const missing: Array<string> = []
      const awaited: Array<Flight> = []
      distinct.forEach((key, index) => {
        const flight = flights.get(key)
        if (answering.looked(key, readEntry(request, key, values[index], now), flight?.output)) return
        if (flight !== undefined) awaited.push(flight)
        else missing.push(key)
      })
      const hits = answering.hits
      count(request.namespace, hits, keys.length - hits)
      const answer = () => answering.answer(clock.currentTimeMillisUnsafe())
      return missing.length === 0 && awaited.length === 0
        ? Effect.succeed(answer())
        : Effect.map(completeOrStale(request, places, answering, missing, awaited), answer)
    })
  }

  const refresh = <E, R>(request: CacheRequest<E, R>, keys: ReadonlyArray<string>) => {
    const places = firstPlaces(keys)
    const answering = new CacheAnswering<E>(keys)
    return Effect.map(
      complete(request, places, answering, Array.from(places.keys()), []),
      () => answering.answer(clock.currentTimeMillisUnsafe())
    )
  }

  const resolve = <E, R>(request: CacheRequest<E, R>): Effect.Effect<CacheAnswer<E>, E, R> => {
    if (request.mode === "bypass") return bypass(request)
    return Effect.suspend(() => {
      const keys = request.inputs.map((input) => itemKey(request.namespace, input))
      return request.mode === "refresh" ? refresh(request, keys) : use(request, keys)
    })
  }

  const statsOf = (tiers: ReadonlyArray<CacheTierStats>): CacheStats => {
    const models = Array.from(counts, ([model, ofModel]) => ({ model, ...ofModel }))
    const total = (of: "hits" | "misses" | "stale") => models.reduce((sum, each) => sum + each[of], 0)
    const { bytes, entries } = tiers.at(-1) ?? { bytes: 0, entries: 0 }
    return { hits: total("hits"), misses: total("misses"), stale: total("stale"), entries, bytes, tiers, models }
  }

  return PredictionCache.of({
    resolve,
    held,
    stats: Effect.match(store.stats, { onSuccess: statsOf, onFailure: () => statsOf([]) }),
    clear: (model) =>
      Effect.suspend(() => {
        const prefix = model === undefined ? CACHE_ROOT : modelPrefix(model)
        forget(prefix)
        return store.clear(prefix)
      })
  })
})
