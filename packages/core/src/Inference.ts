/**
 * The one pipeline: every prediction, whatever its surface, goes through here from request to answer.
 */
import { errorCatalogue } from "@sluice/domain/ErrorCatalogue"
import { DeadlineExceeded, type InferenceError, InternalError } from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { VersionState } from "@sluice/domain/ModelInfo"
import { zeroRow } from "@sluice/plugin-sdk/TensorRows"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Result from "effect/Result"
import type { RowResult } from "./batching/Submission.ts"
import { PredictionCache } from "./cache/PredictionCache.ts"
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
import { type Answered, failureIn, type InferRequest, type InferResult } from "./InferRequest.ts"
import { encodeUnit, StoredAnswers, type Unit, unitsOf } from "./ItemCodec.ts"
import { monotonicReader } from "./Monotonic.ts"
import { ModelRegistry, type NotServed } from "./registry/ModelRegistry.ts"
import type { ServedVersion } from "./registry/ServedVersion.ts"
import { CircuitBreaker } from "./resilience/CircuitBreaker.ts"
import { makeStandIns } from "./resilience/StandIns.ts"
import { Rollouts } from "./rollout/Rollouts.ts"
import { copyComputer } from "./RolloutCopy.ts"
import { makeRolloutObserver } from "./RolloutObserver.ts"
import { Metrics } from "./telemetry/Metrics.ts"
import { currentSpan, withSpan } from "./telemetry/Spans.ts"

/** Items are encoded on the event loop, which others wait for: for so long at a time, in milliseconds. */
const encodeSliceMs = 2
/** A request of more items is encoded in slices. */
const itemsAtOnce = 32

const nextTurn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

export interface WarmedUp {
  readonly model_id: string
  readonly state: VersionState
  readonly latency_ms: number
}

export class Inference extends Context.Service<Inference, {
  /**
   * Answers one request. Fails when the request as a whole cannot be answered; an item that fails alone is a failure in
   * its place.
   */
  readonly infer: (request: InferRequest) => Effect.Effect<InferResult, InferenceError>
  /**
   * The same without a fiber, for surfaces that take thousands of requests a second. `answer` is called once, perhaps
   * before this returns; not after the function that is returned was called, which says that the caller has left.
   */
  readonly start: (request: InferRequest, answer: (result: Answered) => void) => () => void
  /** Runs one row of zeros through a version's queue and worker. */
  readonly warmup: (model: string, version: string | undefined) => Effect.Effect<WarmedUp, InferenceError>
}>()("sluice/core/Inference") {
  /** This process serves the models. */
  static readonly layerLocal = Layer.effect(
    Inference,
    Effect.gen(function*() {
      const registry = yield* ModelRegistry
      const rollouts = yield* Rollouts
      const random = yield* Random.Random
      const cache = yield* PredictionCache
      const breaker = yield* CircuitBreaker
      const metrics = yield* Metrics
      const now = yield* monotonicReader
      const runFork = Effect.runForkWith(yield* Effect.context<never>())

      const observer = makeRolloutObserver({
        rollouts,
        registry,
        metrics,
        now,
        random: () => random.nextDoubleUnsafe(),
        later: (delayMs, wake) => {
          runFork(Effect.andThen(Effect.sleep(delayMs), Effect.sync(wake)))
        },
        compute: copyComputer(now)
      })

      /** A call of the version, which stays in memory until the call leaves it. */
      const beginWith = (request: InferRequest, version: ServedVersion, startedMs: number): InferCall => {
        version.use.enter(startedMs)
        const timeoutMs = request.timeoutMs ?? version.plan.timeoutMs
        const timings = { cache: 0, encode: 0, queue: 0, compute: 0 }
        return { request, version, startedMs, timeoutMs, timings, monitor: observer.began(request, version) }
      }

      const refuse = (error: InferenceError): void => metrics.refused(errorCatalogue[error._tag].code)

      const choose = ({ model, routingKey, version }: InferRequest) => registry.choose(model, version, routingKey)

      /** Waits for a version that was put away to be loaded again, for as long as the caller has. */
      const beginLater = Effect.fnUntraced(function*(request: InferRequest, error: NotServed, startedMs: number) {
        const { model, routingKey, version } = request
        const demanded = registry.demand(model, version, routingKey)
        const timeoutMs = request.timeoutMs ?? loadTimeoutMs
        return yield* (demanded ?? Effect.fail(error)).pipe(
          Effect.timeoutOrElse({
            duration: Math.max(0, startedMs + timeoutMs - now()),
            orElse: () => Effect.fail(new DeadlineExceeded({ timeoutMs }))
          }),
          Effect.tapError((error) => Effect.sync(() => refuse(error))),
          Effect.map((served) => beginWith(request, served, startedMs))
        )
      })

      /** The call at once, or an Effect that waits for its version. */
      const begin = (request: InferRequest): InferCall | Effect.Effect<InferCall, InferenceError> => {
        const startedMs = now()
        const chosen = choose(request)
        return Result.isSuccess(chosen)
          ? beginWith(request, chosen.success, startedMs)
          : beginLater(request, chosen.failure, startedMs)
      }

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

      const startOnce = (request: InferRequest, answer: (result: Answered) => void): () => void => {
        const begun = begin(request)
        const leave = Effect.isEffect(begun) ? undefined : startPlain(begun, answer) ?? startHeld(begun, answer)
        if (leave !== undefined) return leave
        const call = Effect.isEffect(begun) ? begun : Effect.succeed(begun)
        const fiber = runFork(Effect.result(Effect.flatMap(call, inferInStages)))
        fiber.addObserver((exit) => {
          if (Exit.isSuccess(exit)) return answer(exit.value)
          if (Cause.hasInterruptsOnly(exit.cause)) return
          // A fault of ours: who waits hears of it, and the log has the cause.
          runFork(Effect.logError("a request failed by a fault of the pipeline", exit.cause))
          answer(Result.fail(new InternalError()))
        })
        return () => fiber.interruptUnsafe()
      }

      const inferOnce = (request: InferRequest): Effect.Effect<InferResult, InferenceError> =>
        Effect.flatMap(
          withSpan("Rollout.choose")(Effect.suspend(() => {
            const begun = begin(request)
            return Effect.isEffect(begun) ? begun : Effect.succeed(begun)
          })),
          inferInStages
        )

      /** Of what the caller gets: a stale item may have been replaced since, which is counted as what replaced it. */
      const noteStale = (answered: Answered): void => {
        if (Result.isFailure(answered) || answered.success.degraded?.kind !== "stale") return
        const { model, version } = answered.success
        metrics.recorder(model, version).degraded("stale")
      }

      const standIns = makeStandIns({ registry, metrics, now })

      const start = (request: InferRequest, answer: (result: Answered) => void): () => void => {
        const degradation = standIns.of(request)
        const noted = (answered: Answered): void => {
          noteStale(answered)
          answer(answered)
        }
        if (degradation === undefined) return startOnce(request, noted)
        return standIns.start(degradation, request, startOnce, noted)
      }

      const infer = (request: InferRequest): Effect.Effect<InferResult, InferenceError> =>
        Effect.withFiber((fiber) => {
          if (!fiber.getRef(References.TracerEnabled)) {
            return Effect.callback((resume) =>
              Effect.sync(start(request, (result) => resume(Effect.fromResult(result))))
            )
          }
          const degradation = standIns.of(request)
          const answering = degradation === undefined
            ? inferOnce(request)
            : standIns.infer(degradation, request, inferOnce)
          return Effect.tap(answering, (result) => Effect.sync(() => noteStale(Result.succeed(result))))
        })

      const warmup = Effect.fnUntraced(function*(model: string, version: string | undefined) {
        const served = yield* registry.get(model, version)
        const { entry, timeoutMs } = served.plan
        const startedMs = now()
        const rows = [{ inputs: zeroRow(served.signature), cost: 1 }]
        served.use.enter(startedMs)
        const [row] = yield* Effect.callback<ReadonlyArray<RowResult>, InferenceError>((resume) => {
          const submitted = served.queue.submit({
            rows,
            priority: "low",
            deadlineMs: startedMs + timeoutMs,
            timeoutMs,
            consistent: true,
            span: undefined
          }, (outcome) => resume(Effect.fromResult(outcome)))
          if (Result.isSuccess(submitted)) return Effect.sync(submitted.success)
          resume(Effect.fail(submitted.failure))
        }).pipe(Effect.ensuring(Effect.sync(() => served.use.leave())))
        if (row !== undefined) yield* Effect.fromResult(row)
        return {
          model_id: modelId(entry.model, entry.version),
          state: "ready" as const,
          latency_ms: now() - startedMs
        }
      })
      return Inference.of({ infer, start, warmup })
    })
  )
}

/** A caller who gives no time waits so long for a version to be loaded, in milliseconds. */
const loadTimeoutMs = 30_000

const nothing = (): void => undefined
