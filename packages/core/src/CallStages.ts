/**
 * The stages of a call whose version is chosen: cache, encoding, circuit, queue. The whole way in a fiber, and two short
 * ways at one go, for what needs none of the stages that wait.
 */
import { errorCatalogue } from "@sluice/domain/ErrorCatalogue"
import { DeadlineExceeded, type InferenceError } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type { RowResult } from "./batching/Submission.ts"
import type { PredictionCache } from "./cache/PredictionCache.ts"
import {
  cacheNamespaceOf,
  circuitOutcome,
  type EncodedItem,
  freshnessOf,
  type InferCall,
  inferResult,
  isUnavailable,
  mergeRows,
  rowsOf,
  submissionOf,
  uncached
} from "./InferCall.ts"
import { type Answered, failureIn, type InferResult } from "./InferRequest.ts"
import { encodeUnit, StoredAnswers, type Unit, unitsOf } from "./ItemCodec.ts"
import type { ModelRegistry } from "./registry/ModelRegistry.ts"
import type { ServedVersion } from "./registry/ServedVersion.ts"
import type { CircuitBreaker } from "./resilience/CircuitBreaker.ts"
import type { RolloutObserver } from "./RolloutObserver.ts"
import { currentSpan, withSpan } from "./telemetry/Spans.ts"

/** Items are encoded on the event loop, which others wait for: for so long at a time, in milliseconds. */
const encodeSliceMs = 2
/** A request of more items is encoded in slices. */
const itemsAtOnce = 32

const nextTurn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

export interface CallStagesOptions {
  readonly registry: ModelRegistry["Service"]
  readonly cache: PredictionCache["Service"]
  readonly breaker: CircuitBreaker["Service"]
  readonly observer: RolloutObserver
  /** Monotonic, in milliseconds. */
  readonly now: () => number
  readonly runFork: (effect: Effect.Effect<void>) => void
}

export const makeCallStages = ({ breaker, cache, now, observer, registry, runFork }: CallStagesOptions) => {
  const noteEncode = ({ timings, version }: InferCall, startedMs: number): void => {
    const encodeMs = now() - startedMs
    timings.encode += encodeMs
    version.metrics.stage("encode", encodeMs / 1000)
  }

  const count = ({ startedMs, version }: InferCall, answered: Answered): void => {
    const error = failureIn(answered)
    const seconds = (now() - startedMs) / 1000
    version.metrics.request(seconds, error === undefined ? undefined : errorCatalogue[error._tag].code)
  }

  const encodeAll = Effect.fnUntraced(function*(
    version: ServedVersion,
    units: ReadonlyArray<Unit>,
    indexes: ReadonlyArray<number>
  ) {
    const encoded: Array<EncodedItem> = []
    let sliceEndsMs = now() + encodeSliceMs
    for (const index of indexes) {
      encoded.push(encodeUnit(version, units[index]!))
      if (now() < sliceEndsMs) continue
      yield* nextTurn
      sliceEndsMs = now() + encodeSliceMs
    }
    return encoded
  })

  /** Encodes the items that the cache had not, and queues those that could be encoded. */
  const compute = Effect.fnUntraced(function*(
    call: InferCall,
    units: ReadonlyArray<Unit>,
    indexes: ReadonlyArray<number>
  ) {
    const { request, version } = call
    const startedMs = now()
    const encoded = yield* encodeAll(version, units, indexes)
    noteEncode(call, startedMs)
    const rows = rowsOf(encoded)
    if (rows.length === 0) return mergeRows(call, encoded, [])
    const span = yield* currentSpan
    const submit = Effect.callback<ReadonlyArray<RowResult>, InferenceError>((resume) => {
      const submitted = version.queue.submit(
        submissionOf(call, rows, span),
        (outcome) => resume(Effect.fromResult(outcome))
      )
      if (Result.isSuccess(submitted)) return Effect.sync(submitted.success)
      resume(Effect.fail(submitted.failure))
    })
    const { model, version: name } = version.plan.entry
    const computed = yield* breaker.guard(withSpan("Batcher.submit")(submit), {
      model,
      version: name,
      rules: registry.entry(model)?.breaker,
      classify: (exit) => Exit.isFailure(exit) ? "ignored" : circuitOutcome(request, exit.value)
    }).pipe(withSpan("CircuitBreaker.guard"))
    return mergeRows(call, encoded, computed)
  })

  /** The whole way, with the stages that need a fiber: cache, breaker, spans. */
  const inferInStages = (call: InferCall): Effect.Effect<InferResult, InferenceError> => {
    const { request, startedMs, timeoutMs, timings, version } = call
    const { model, version: name } = version.plan.entry
    return Effect.gen(function*() {
      const units = yield* Effect.fromResult(unitsOf(version, request.input))
      let computeMs = 0
      const computeTimed = Effect.fnUntraced(function*(indexes: ReadonlyArray<number>) {
        const from = now()
        const results = yield* compute(call, units, indexes)
        computeMs += now() - from
        return results
      })
      const namespace = cacheNamespaceOf(call)
      const stored = new StoredAnswers(version, request.input._tag === "Items")
      const resolved = yield* withSpan("PredictionCache.resolve")(
        namespace === undefined
          ? Effect.map(computeTimed(Array.from(units.keys())), uncached)
          : cache.resolve({
            namespace,
            inputs: units,
            mode: version.plan.entry.cache ? request.cache : "bypass",
            freshness: freshnessOf(call),
            accepts: stored.accepts,
            keepStaleMs: version.plan.entry.staleIfErrorMs,
            isUnavailable,
            compute: computeTimed
          })
      )
      timings.cache = Math.max(0, now() - startedMs - computeMs)
      version.metrics.stage("cache", timings.cache / 1000)
      return inferResult(call, resolved, now, stored)
    }).pipe(
      Effect.timeoutOrElse({
        duration: Math.max(0, startedMs + timeoutMs - now()),
        orElse: () => Effect.fail(new DeadlineExceeded({ timeoutMs }))
      }),
      Effect.onInterrupt(() => Effect.sync(() => version.metrics.abandoned())),
      Effect.result,
      Effect.tap((answered) =>
        Effect.sync(() => {
          count(call, answered)
          observer.ended(call, answered, now() - startedMs)
        })
      ),
      Effect.flatMap(Effect.fromResult),
      Effect.ensuring(Effect.sync(() => version.use.leave())),
      withSpan("Inference.infer", { model, version: name })
    )
  }

  /** The answer at one go where this process's own cache has all of it; undefined where it has not. */
  const startHeld = (call: InferCall, answer: (result: Answered) => void): (() => void) | undefined => {
    const { request, startedMs, timings, version } = call
    if (request.cache !== "use" || !version.plan.entry.cache) return undefined
    const units = unitsOf(version, request.input)
    if (Result.isFailure(units) || units.success.length > itemsAtOnce) return undefined
    const namespace = cacheNamespaceOf(call)
    if (namespace === undefined) return undefined
    const stored = new StoredAnswers(version, request.input._tag === "Items")
    const held = cache.held({
      namespace,
      inputs: units.success,
      freshness: freshnessOf(call),
      accepts: stored.accepts
    })
    if (held === undefined) return undefined
    timings.cache = now() - startedMs
    version.metrics.stage("cache", timings.cache / 1000)
    const answered = Result.succeed(inferResult(call, held, now, stored))
    version.use.leave()
    count(call, answered)
    answer(answered)
    observer.ended(call, answered, now() - startedMs)
    return nothing
  }

  /**
   * The same stages at one go, where there is nothing to look up, and the circuit has nothing to learn or refuses;
   * undefined when they need a fiber, or there are too many items.
   */
  const startPlain = (call: InferCall, answer: (result: Answered) => void): (() => void) | undefined => {
    const { request, version } = call
    const { cache: isCached, model, version: name } = version.plan.entry
    if (request.cache !== "bypass" && isCached) return undefined
    const rules = registry.entry(model)?.breaker
    const isClear = breaker.isClear(model, name, rules)
    const refusal = isClear ? undefined : breaker.refusal(model, name, rules)
    if (!isClear && refusal === undefined) return undefined
    let isAnswered = false
    const finish = (answered: Answered): void => {
      isAnswered = true
      version.use.leave()
      count(call, answered)
      answer(answered)
      observer.ended(call, answered, now() - call.startedMs)
    }
    const units = unitsOf(version, request.input)
    if (Result.isFailure(units) || refusal !== undefined) {
      finish(Result.fail(Result.isFailure(units) ? units.failure : refusal!))
      return nothing
    }
    if (units.success.length > itemsAtOnce) return undefined
    const encodingMs = now()
    const encoded = units.success.map((unit) => encodeUnit(version, unit))
    noteEncode(call, encodingMs)
    const rows = rowsOf(encoded)
    const submitted = version.queue.submit(submissionOf(call, rows, undefined), (outcome) => {
      if (Result.isFailure(outcome)) return finish(Result.fail(outcome.failure))
      const computed = mergeRows(call, encoded, outcome.success)
      if (circuitOutcome(request, computed) === "failure") {
        runFork(breaker.record("failure", model, name, registry.entry(model)?.breaker))
      }
      finish(Result.succeed(inferResult(call, uncached(computed), now)))
    })
    if (Result.isFailure(submitted)) {
      finish(Result.fail(submitted.failure))
      return nothing
    }
    return () => {
      if (isAnswered) return
      version.use.leave()
      version.metrics.abandoned()
      submitted.success()
    }
  }

  return { inferInStages, startHeld, startPlain }
}

const nothing = (): void => undefined
