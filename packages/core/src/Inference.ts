/**
 * The one pipeline: every prediction, whatever its surface, goes through here from request to answer.
 */
import { errorCatalogue } from "@sluice/domain/ErrorCatalogue"
import { DeadlineExceeded, type InferenceError, InternalError } from "@sluice/domain/Errors"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Result from "effect/Result"
import { PredictionCache } from "./cache/PredictionCache.ts"
import { makeCallStages } from "./CallStages.ts"
import type { InferCall } from "./InferCall.ts"
import type { Answered, InferRequest, InferResult } from "./InferRequest.ts"
import { monotonicReader } from "./Monotonic.ts"
import { ModelRegistry, type NotServed } from "./registry/ModelRegistry.ts"
import type { ServedVersion } from "./registry/ServedVersion.ts"
import { CircuitBreaker } from "./resilience/CircuitBreaker.ts"
import { makeStandIns } from "./resilience/StandIns.ts"
import { Rollouts } from "./rollout/Rollouts.ts"
import { copyComputer } from "./RolloutCopy.ts"
import { makeRolloutObserver } from "./RolloutObserver.ts"
import { Metrics } from "./telemetry/Metrics.ts"
import { withSpan } from "./telemetry/Spans.ts"
import { makeWarmup, type WarmedUp } from "./VersionWarmup.ts"

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

      const { inferInStages, startHeld, startPlain } = makeCallStages({
        registry,
        cache,
        breaker,
        observer,
        now,
        runFork
      })

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

      return Inference.of({ infer, start, warmup: makeWarmup(registry, now) })
    })
  )
}

/** A caller who gives no time waits so long for a version to be loaded, in milliseconds. */
const loadTimeoutMs = 30_000
