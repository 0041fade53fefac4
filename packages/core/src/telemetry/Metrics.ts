/**
 * What the platform counts and times, for Prometheus. Updates are plain synchronous calls that cannot fail; a page is
 * made of them when it is asked for.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CacheOperation } from "../cache/CacheStore.ts"
import type { CacheAccess, CacheStoreState } from "../cache/CacheStoreGuard.ts"
import type { MetricsPage, RolloutMeters } from "./MetricsPage.ts"
import type { MetricsSnapshot } from "./MetricsSnapshot.ts"
import type { PrometheusPage } from "./PrometheusPage.ts"
import { RateLimitMeters } from "./RateLimitMeters.ts"
import { VersionMeters, type VersionMetrics } from "./VersionMeters.ts"

export type { CircuitState, Stage, VersionMetrics } from "./VersionMeters.ts"

/** The page could not be made. */
export class MetricsError extends Data.TaggedError("MetricsError")<{ readonly cause: unknown }> {}

export class Metrics extends Context.Service<Metrics, {
  /** Whether a page is served. Counting goes on without one. */
  readonly enabled: boolean
  /** Shows a version from now on, with zeros; the same recorder again where it is shown already. */
  readonly registerVersion: (model: string, version: string) => VersionMetrics
  /** Shows a version no more. What its recorder is still told is lost. */
  readonly unregisterVersion: (model: string, version: string) => void
  /** The recorder of a registered version; one that forgets everything for any other. */
  readonly recorder: (model: string, version: string) => VersionMetrics
  readonly workerRestarted: (model: string, version: string) => void
  readonly cacheStoreError: (operation: CacheOperation) => void
  readonly cacheStoreState: (access: CacheAccess, state: CacheStoreState) => void
  /** A request was refused before its version was known. Its model's name is the caller's word, so it is no label. */
  readonly refused: (errorCode: string) => void
  /** Shows rollouts from now on: those that are there when a page is made. */
  readonly showRollouts: (read: () => Iterable<RolloutMeters>) => void
  readonly rateLimits: RateLimitMeters
  readonly render: Effect.Effect<MetricsPage, MetricsError>
  /** The page's numbers, for a page of several processes. Empty where no page is served. */
  readonly snapshot: Effect.Effect<MetricsSnapshot, MetricsError>
}>()("sluice/Metrics") {
  static readonly layer = (options: { readonly enabled: boolean }): Layer.Layer<Metrics> =>
    Layer.effect(Metrics, make(options.enabled))
}

const attempt = <A>(make: () => Promise<A>): Effect.Effect<A, MetricsError> =>
  Effect.tryPromise({ try: make, catch: (cause) => new MetricsError({ cause }) })

/** One page of what several processes have. */
export const renderTogether = (snapshots: ReadonlyArray<MetricsSnapshot>): Effect.Effect<MetricsPage, MetricsError> =>
  attempt(async () => {
    const { aggregatedPage } = await import("./AggregatedPage.ts")
    return aggregatedPage(snapshots)
  })

const count = <Key>(counts: Map<Key, number>, key: Key): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

const ignoreEvent = (): void => {}

const forgetful: VersionMetrics = {
  request: ignoreEvent,
  stage: ignoreEvent,
  batch: ignoreEvent,
  queueDelay: ignoreEvent,
  queueLength: ignoreEvent,
  abandoned: ignoreEvent,
  dropped: ignoreEvent,
  refused: ignoreEvent,
  retried: ignoreEvent,
  predicted: ignoreEvent,
  loaded: ignoreEvent,
  inline: ignoreEvent,
  cacheItems: ignoreEvent,
  cacheStale: ignoreEvent,
  circuitTransition: ignoreEvent,
  degraded: ignoreEvent,
  workerRestarted: ignoreEvent,
  assigned: ignoreEvent,
  rolloutRequest: ignoreEvent,
  compared: ignoreEvent,
  copyDropped: ignoreEvent
}

const make = Effect.fnUntraced(function*(enabled: boolean) {
  const models = new Map<string, Map<string, VersionMeters>>()
  // Zero from the start, so that the first failure is an increase that an alert can see.
  const cacheStoreErrors = new Map<CacheOperation, number>([
    ["getMany", 0],
    ["setMany", 0],
    ["claim", 0],
    ["look", 0],
    ["release", 0],
    ["clear", 0],
    ["stats", 0]
  ])
  const cacheStoreStates = new Map<CacheAccess, CacheStoreState>([["read", "ready"], ["write", "ready"]])
  const refusals = new Map<string, number>()
  let rollouts: () => Iterable<RolloutMeters> = () => []
  const rateLimits = new RateLimitMeters()

  function* versions() {
    for (const ofModel of models.values()) yield* ofModel.values()
  }

  const registerVersion = (model: string, version: string): VersionMetrics => {
    const ofModel = models.get(model) ?? new Map<string, VersionMeters>()
    models.set(model, ofModel)
    const meters = ofModel.get(version) ?? new VersionMeters(model, version)
    ofModel.set(version, meters)
    return meters
  }

  // The library takes 60 ms to load, which the first page pays and not the start of the server.
  const page = yield* Effect.cached(attempt(async () => {
    const { prometheusPage } = await import("./PrometheusPage.ts")
    return prometheusPage({
      versions,
      rollouts: () => rollouts(),
      cacheStoreErrors,
      cacheStoreStates,
      refusals,
      rateLimits
    })
  }))
  const ofPage = <A>(whenOff: A, take: (page: PrometheusPage) => Promise<A>) =>
    enabled ? Effect.flatMap(page, (page) => attempt(() => take(page))) : Effect.succeed(whenOff)

  const recorder = (model: string, version: string): VersionMetrics => models.get(model)?.get(version) ?? forgetful

  return Metrics.of({
    enabled,
    registerVersion,
    unregisterVersion: (model, version) => {
      models.get(model)?.delete(version)
    },
    recorder,
    workerRestarted: (model, version) => recorder(model, version).workerRestarted(),
    cacheStoreError: (operation) => count(cacheStoreErrors, operation),
    cacheStoreState: (access, state) => {
      cacheStoreStates.set(access, state)
    },
    refused: (errorCode) => count(refusals, errorCode),
    showRollouts: (read) => {
      rollouts = read
    },
    rateLimits,
    render: ofPage({ contentType: "text/plain; charset=utf-8", body: "" }, (page) => page.render()),
    snapshot: ofPage<MetricsSnapshot>([], (page) => page.snapshot())
  })
})
