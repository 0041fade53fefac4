/**
 * Whether an item is answered from the cache, by waiting for another caller that computes it now, or by computing it.
 * Nothing here can fail a request: a store that fails is a store that has nothing.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type { ItemOutput } from "../ItemOutput.ts"
import { Metrics } from "../telemetry/Metrics.ts"
import { type CacheInput, type CacheNamespace, itemKey, KEY_ROOT, modelPrefix } from "./CacheKey.ts"
import { CacheStore, type CacheStoreError } from "./CacheStore.ts"
import { type Flight, Flights } from "./Flights.ts"
import { decodeItemOutput, encodeItemOutput } from "./ItemOutputCodec.ts"

/** `use`: look up, compute what is missing, store it. `refresh`: compute, then store. `bypass`: compute only. */
export type CacheMode = "use" | "refresh" | "bypass"

export type CacheStatus = "hit" | "miss" | "partial" | "bypass"

export interface CacheRequest<E, R> {
  readonly namespace: CacheNamespace
  readonly inputs: ReadonlyArray<CacheInput>
  readonly mode: CacheMode
  /** Computes the inputs at these places; one result each, in their order. May be called a second time, for others. */
  readonly compute: (indexes: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<Result.Result<ItemOutput, E>>, E, R>
}

export interface CacheAnswer<E> {
  /** In the order of the inputs. */
  readonly outcomes: ReadonlyArray<Result.Result<ItemOutput, E>>
  /** Whether the item's output was there already when it was asked for. */
  readonly hits: ReadonlyArray<boolean>
  readonly status: CacheStatus
}

/** `hits` and `misses` count items since the start; `entries` and `bytes` are the store's, zero where it does not answer. */
export interface CacheStats {
  readonly hits: number
  readonly misses: number
  readonly entries: number
  readonly bytes: number
}

export class PredictionCache extends Context.Service<PredictionCache, {
  readonly resolve: <E, R = never>(request: CacheRequest<E, R>) => Effect.Effect<CacheAnswer<E>, E, R>
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
      stats: Effect.succeed({ hits: 0, misses: 0, entries: 0, bytes: 0 }),
      clear: () => Effect.succeed(0)
    }))
}

const bypass = <E, R>({ compute, inputs }: CacheRequest<E, R>): Effect.Effect<CacheAnswer<E>, E, R> =>
  Effect.map(compute(Array.from(inputs.keys())), (outcomes) => ({
    outcomes,
    hits: inputs.map(() => false),
    status: "bypass"
  }))

type Outcomes<E> = ReadonlyArray<Result.Result<ItemOutput, E>>

const statusOf = (hits: ReadonlyArray<boolean>): CacheStatus => {
  if (!hits.includes(true)) return "miss"
  return hits.includes(false) ? "partial" : "hit"
}

/** Each key's first place in the request: equal items are looked up and computed once. */
const firstPlaces = (keys: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const places = new Map<string, number>()
  keys.forEach((key, place) => {
    if (!places.has(key)) places.set(key, place)
  })
  return places
}

const answerOf = <E>(
  keys: ReadonlyArray<string>,
  outcomes: ReadonlyMap<string, Result.Result<ItemOutput, E>>,
  hits: ReadonlyArray<boolean>
): CacheAnswer<E> => ({
  outcomes: keys.flatMap((key) => outcomes.get(key) ?? []),
  hits,
  status: statusOf(hits)
})

const make = Effect.fnUntraced(function*(timeToLive: Duration.Duration) {
  const store = yield* CacheStore
  const metrics = yield* Metrics
  const scope = yield* Effect.scope
  const flights = new Flights()
  let hitCount = 0
  let missCount = 0
  /** Counted up by `clear`: what was computed before it is not stored after it. */
  let clearings = 0

  const countFailure = (error: CacheStoreError): void => {
    // A resting store was not asked, and its failure was counted when it failed.
    if (error.reason !== "resting") metrics.cacheStoreError(error.operation)
  }

  const lookUp = (keys: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<ItemOutput | undefined>> =>
    Effect.match(store.getMany(keys), {
      onSuccess: (values) => values.map((value) => value && decodeItemOutput(value)),
      onFailure: (error) => {
        countFailure(error)
        return []
      }
    })

  const keep = Effect.fnUntraced(function*(outputs: ReadonlyMap<string, ItemOutput>, startedAt: number) {
    const factor = yield* Random.nextBetween(0.9, 1.1)
    if (clearings !== startedAt) return
    const entries = Array.from(outputs, ([key, output]) => ({ key, value: encodeItemOutput(output) }))
    yield* Effect.match(store.setMany(entries, Duration.times(timeToLive, factor)), {
      onSuccess: () => undefined,
      onFailure: countFailure
    })
  })

  /** Tells those who wait for these keys what came of them, and stores it aside. */
  const settle = <E>(
    keys: ReadonlyArray<string>,
    led: ReadonlyArray<Flight | undefined>,
    outcomes: Outcomes<E>,
    startedAt: number
  ) => {
    const outputs = new Map<string, ItemOutput>()
    keys.forEach((key, index) => {
      const outcome = outcomes[index]
      const flight = led[index]
      if (outcome !== undefined && Result.isSuccess(outcome)) {
        outputs.set(key, outcome.success)
        if (flight !== undefined) flights.deliver(flight, outcome.success)
      } else if (flight !== undefined) {
        flights.land(flight)
      }
    })
    if (outputs.size === 0) return Effect.void
    // A flight lands only when its output is stored: in between it is found here, so at no moment is it found nowhere.
    const landAll = Effect.sync(() => {
      for (const flight of led) if (flight !== undefined) flights.land(flight)
    })
    return Effect.forkIn(Effect.ensuring(keep(outputs, startedAt), landAll), scope)
  }

  /** Computes the items of these keys, as the leader of every key that has none. */
  const compute = <E, R>(
    request: CacheRequest<E, R>,
    places: ReadonlyMap<string, number>,
    keys: ReadonlyArray<string>
  ): Effect.Effect<Outcomes<E>, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => ({ led: keys.map((key) => flights.claim(key)), startedAt: clearings })),
      () =>
        Effect.flatMap(request.compute(keys.map((key) => places.get(key) ?? 0)), (outcomes) =>
          outcomes.length === keys.length
            ? Effect.succeed(outcomes)
            : Effect.die(new Error(`${keys.length} items were to be computed and ${outcomes.length} came back`))),
      ({ led, startedAt }, exit) =>
        settle(keys, led, Exit.isSuccess(exit) ? exit.value : [], startedAt)
    )

  const count = ({ model, version }: CacheNamespace, hits: ReadonlyArray<boolean>): void => {
    const found = hits.reduce((total, isHit) => isHit ? total + 1 : total, 0)
    hitCount += found
    missCount += hits.length - found
    metrics.recorder(model, version).cacheItems(found, hits.length - found)
  }

  /** Fills in the outcomes that are not there: by computing, and by waiting for those who compute already. */
  const complete = Effect.fnUntraced(function*<E, R>(
    request: CacheRequest<E, R>,
    places: ReadonlyMap<string, number>,
    outcomes: Map<string, Result.Result<ItemOutput, E>>,
    missing: ReadonlyArray<string>,
    awaited: ReadonlyArray<Flight>
  ) {
    const computeAll = (keys: ReadonlyArray<string>) =>
      Effect.map(
        compute(request, places, keys),
        (computed) => computed.forEach((outcome, index) => outcomes.set(keys[index] ?? "", outcome))
      )
    if (missing.length > 0) yield* computeAll(missing)
    const abandoned: Array<string> = []
    for (const { key, landing } of awaited) {
      const output = yield* Deferred.await(landing)
      if (output === undefined) abandoned.push(key)
      else outcomes.set(key, Result.succeed(output))
    }
    // Whoever waited once computes, whatever others do now: a chain of failing leaders would have no bound.
    if (abandoned.length > 0) yield* computeAll(abandoned)
  })

  const use = <E, R>(request: CacheRequest<E, R>, keys: ReadonlyArray<string>) => {
    const places = firstPlaces(keys)
    const distinct = Array.from(places.keys())
    return Effect.flatMap(lookUp(distinct), (found) => {
      const outcomes = new Map<string, Result.Result<ItemOutput, E>>()
      const missing: Array<string> = []
      const awaited: Array<Flight> = []
      distinct.forEach((key, index) => {
        const flight = flights.get(key)
        const output = found[index] ?? flight?.output
        if (output !== undefined) outcomes.set(key, Result.succeed(output))
        else if (flight !== undefined) awaited.push(flight)
        else missing.push(key)
      })
      const hits = keys.map((key) => outcomes.has(key))
      count(request.namespace, hits)
      const answer = () => answerOf(keys, outcomes, hits)
      return outcomes.size === distinct.length
        ? Effect.succeed(answer())
        : Effect.map(complete(request, places, outcomes, missing, awaited), answer)
    })
  }

  const refresh = <E, R>(request: CacheRequest<E, R>, keys: ReadonlyArray<string>) => {
    const places = firstPlaces(keys)
    const outcomes = new Map<string, Result.Result<ItemOutput, E>>()
    return Effect.map(
      complete(request, places, outcomes, Array.from(places.keys()), []),
      () => answerOf(keys, outcomes, keys.map(() => false))
    )
  }

  const resolve = <E, R>(request: CacheRequest<E, R>): Effect.Effect<CacheAnswer<E>, E, R> => {
    if (request.mode === "bypass") return bypass(request)
    return Effect.suspend(() => {
      const keys = request.inputs.map((input) => itemKey(request.namespace, input))
      return request.mode === "refresh" ? refresh(request, keys) : use(request, keys)
    })
  }

  return PredictionCache.of({
    resolve,
    stats: Effect.match(store.stats, {
      onSuccess: ({ bytes, entries }) => ({ hits: hitCount, misses: missCount, entries, bytes }),
      onFailure: (error) => {
        countFailure(error)
        return { hits: hitCount, misses: missCount, entries: 0, bytes: 0 }
      }
    }),
    clear: (model) =>
      Effect.suspend(() => {
        const prefix = model === undefined ? KEY_ROOT : modelPrefix(model)
        clearings++
        flights.forget(prefix)
        return Effect.tapError(store.clear(prefix), (error) => Effect.sync(() => countFailure(error)))
      })
  })
})
