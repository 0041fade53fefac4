/**
 * The one pipeline: every prediction, whatever its surface, goes through here from request to answer.
 */
import { errorCatalogue } from "@sluice/domain/ErrorCatalogue"
import {
  DeadlineExceeded,
  type InferenceError,
  InvalidInput,
  MalformedRequest,
  ModelFailed
} from "@sluice/domain/Errors"
import { modelId } from "@sluice/domain/Ids"
import type { Item } from "@sluice/domain/Item"
import type { VersionState } from "@sluice/domain/ModelInfo"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Tensor, TensorMap } from "@sluice/domain/Tensor"
import { zeroRow } from "@sluice/plugin-sdk/TensorRows"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { BatchRow, RowOutput } from "./batching/Batcher.ts"
import { PredictionCache } from "./cache/PredictionCache.ts"
import type { InferInput, InferredItem, InferRequest, InferResult } from "./InferRequest.ts"
import type { ItemOutput } from "./ItemOutput.ts"
import { monotonicMs } from "./Monotonic.ts"
import { ModelRegistry, type ServedVersion } from "./registry/ModelRegistry.ts"
import { tensorRows } from "./registry/TensorInput.ts"
import { CircuitBreaker } from "./resilience/CircuitBreaker.ts"
import { Metrics } from "./telemetry/Metrics.ts"
import { withSpan } from "./telemetry/Spans.ts"

type ComputeError = Exclude<InferenceError, DeadlineExceeded>
type ComputeResult = Result.Result<ItemOutput, ComputeError>
type Unit = Item | TensorMap

/** What the stages took, in milliseconds; filled in as they end. */
interface Timings {
  cache: number
  encode: number
  queue: number
  compute: number
}

/** A text model's own input form over tensors: one BYTES tensor "text" of shape [n] or [n, 1]. */
const textSignature = ({ shape }: Tensor): ModelSignature => ({
  inputs: [{ name: "text", datatype: "BYTES", shape: shape.length === 2 ? [-1, 1] : [-1] }],
  outputs: [],
  batchable: true
})

/** The request's items: natural ones as they are, tensors cut into rows. */
const unitsOf = (
  { codec, signature }: ServedVersion,
  input: InferInput
): Result.Result<ReadonlyArray<Unit>, MalformedRequest> => {
  if (input._tag === "Items") {
    return input.items.length > 0
      ? Result.succeed(input.items)
      : Result.fail(new MalformedRequest({ detail: "no items; send at least one" }))
  }
  const { text, ...others } = input.tensors
  if (text === undefined || Object.keys(others).length > 0 || !codec.accepts.includes("Text")) {
    return tensorRows(signature, input.tensors)
  }
  return Result.map(
    tensorRows(textSignature(text), { text }),
    (rows) => rows.map((row): Item => ({ _tag: "Text", text: String(row["text"]?.data[0]) }))
  )
}

const isItem = (unit: Unit): unit is Item => typeof unit["_tag"] === "string"

/** A codec is a plugin's code on our event loop: what it throws is the model's failure on that item. */
const fromCodec = <A, E>(
  { plan }: ServedVersion,
  use: () => Result.Result<A, E>
): Result.Result<A, E | ModelFailed> => {
  const { model, version } = plan.entry
  const used = Result.try(use)
  if (Result.isSuccess(used)) return used.success
  plan.context.log("error", `the codec of ${modelId(model, version)} threw: ${String(used.failure)}`)
  return Result.fail(new ModelFailed({ model, version }))
}

const encode = (version: ServedVersion, unit: Unit): Result.Result<BatchRow, InvalidInput | ModelFailed> =>
  fromCodec(version, () => {
    const inputs = isItem(unit)
      ? Result.mapError(version.codec.encode(unit), ({ detail }) => new InvalidInput({ detail }))
      : Result.succeed(unit)
    return Result.map(inputs, (inputs) => ({ inputs, cost: version.codec.cost?.(inputs) ?? 1 }))
  })

/** An item's answer: in its task's natural form, if it was asked in one. */
const inferItem = (
  version: ServedVersion,
  { cost, outputs }: ItemOutput,
  natural: boolean,
  cached: boolean,
  latencyMs: number
): Result.Result<InferredItem, ModelFailed> =>
  fromCodec(version, () => {
    const prediction = natural ? version.codec.decode(outputs) : undefined
    return Result.succeed({ outputs, cost, prediction, cached, latencyMs })
  })

/** Equal items are encoded once, so each is told its own place last. */
const inPlace = <E extends InferenceError>(error: E, item: number): E | InvalidInput =>
  error._tag === "InvalidInput" ? new InvalidInput({ item, detail: error.detail }) : error

type ComputeExit = Exit.Exit<ReadonlyArray<ComputeResult>, ComputeError>

/**
 * Only what the model itself did says something about its health; a full queue or a bad item does not. No codec has
 * checked raw tensors, so that the model fails on them may be the caller's doing, and must not close it for others.
 */
const classifyBy = (input: InferInput) => (exit: ComputeExit): "success" | "failure" | "ignored" => {
  if (Exit.isFailure(exit)) return "ignored"
  const isFault = (result: ComputeResult): boolean =>
    Result.isFailure(result) &&
    (result.failure._tag === "InstanceLost" || (result.failure._tag === "ModelFailed" && input._tag === "Items"))
  if (exit.value.some(isFault)) return "failure"
  return exit.value.some(Result.isSuccess) ? "success" : "ignored"
}

export interface WarmedUp {
  readonly model_id: string
  readonly state: VersionState
  readonly latency_ms: number
}

const firstFailure = (result: InferResult): InferenceError | undefined => {
  const failed = result.items.find(Result.isFailure)
  return failed === undefined ? undefined : failed.failure
}

export class Inference extends Context.Service<Inference, {
  /**
   * Answers one request. Fails when the request as a whole cannot be answered; an item that fails alone is a failure in
   * its place.
   */
  readonly infer: (request: InferRequest) => Effect.Effect<InferResult, InferenceError>
  /**
   * The same without a fiber, for surfaces that take thousands of requests a second: `answer` is called exactly once,
   * unless the function that is returned was called before, which says that the caller has left.
   */
  readonly start: (
    request: InferRequest,
    answer: (result: Result.Result<InferResult, InferenceError>) => void
  ) => () => void
  /** Runs one row of zeros through a version's queue and worker. */
  readonly warmup: (model: string, version: string | undefined) => Effect.Effect<WarmedUp, InferenceError>
}>()("sluice/core/Inference") {
  /** This process serves the models. */
  static readonly layerLocal = Layer.effect(
    Inference,
    Effect.gen(function*() {
      const registry = yield* ModelRegistry
      const cache = yield* PredictionCache
      const breaker = yield* CircuitBreaker
      const metrics = yield* Metrics

      /** Encodes the items that the cache had not, and queues those that could be encoded. */
      const compute = Effect.fnUntraced(function*(
        version: ServedVersion,
        units: ReadonlyArray<Unit>,
        indexes: ReadonlyArray<number>,
        request: InferRequest,
        timings: Timings
      ) {
        const started = yield* monotonicMs
        const encoded = indexes.map((index) => encode(version, units[index]!))
        const encodeMs = (yield* monotonicMs) - started
        timings.encode += encodeMs
        version.metrics.stage("encode", encodeMs / 1000)
        const rows = encoded.filter(Result.isSuccess).map((result) => result.success)
        const refusals = encoded.filter(Result.isFailure).map((result) => Result.fail(result.failure))
        if (rows.length === 0) return refusals
        const { model, version: name } = version.plan.entry
        const computed: ReadonlyArray<Result.Result<RowOutput, ComputeError>> = yield* breaker.guard(
          withSpan("Batcher.submit")(version.queue.submit(rows, request.priority)),
          { model, version: name, classify: classifyBy(request.input) }
        ).pipe(withSpan("CircuitBreaker.guard"))
        for (const row of computed) {
          if (Result.isFailure(row)) continue
          timings.queue = Math.max(timings.queue, row.success.queueMs)
          timings.compute = Math.max(timings.compute, row.success.computeMs)
        }
        version.metrics.stage("queue", timings.queue / 1000)
        let next = 0
        let refused = 0
        return encoded.map((result): ComputeResult =>
          Result.isFailure(result) ? refusals[refused++]! : computed[next++]!
        )
      })

      const answer = Effect.fnUntraced(function*(version: ServedVersion, request: InferRequest, startedMs: number) {
        const { entry } = version.plan
        const units = yield* Effect.fromResult(unitsOf(version, request.input))
        const timings: Timings = { cache: 0, encode: 0, queue: 0, compute: 0 }
        let computeMs = 0
        const resolved = yield* cache.resolve({
          namespace: version.cacheNamespace,
          inputs: units,
          mode: entry.cache ? request.cache : "bypass",
          compute: Effect.fnUntraced(function*(indexes) {
            const from = yield* monotonicMs
            const results = yield* compute(version, units, indexes, request, timings)
            computeMs += (yield* monotonicMs) - from
            return results
          })
        }).pipe(withSpan("PredictionCache.resolve"))
        const totalMs = (yield* monotonicMs) - startedMs
        timings.cache = Math.max(0, totalMs - computeMs)
        version.metrics.stage("cache", timings.cache / 1000)
        const natural = request.input._tag === "Items"
        const items = resolved.outcomes.map((outcome, i) => {
          const cached = resolved.hits[i] ?? false
          const inferred = Result.flatMap(outcome, (output) => inferItem(version, output, natural, cached, totalMs))
          return Result.mapError(inferred, (error) => inPlace(error, i))
        })
        version.metrics.stage("decode", ((yield* monotonicMs) - startedMs - totalMs) / 1000)
        const result: InferResult = {
          model: entry.model,
          version: entry.version,
          signature: version.signature,
          cacheStatus: resolved.status,
          timings: { ...timings, total: totalMs },
          items
        }
        return result
      })

      const infer = Effect.fnUntraced(function*(request: InferRequest) {
        const startedMs = yield* monotonicMs
        const version = yield* registry.get(request.model, request.version).pipe(
          Effect.tapError((error) => Effect.sync(() => metrics.refused(errorCatalogue[error._tag].code))),
          withSpan("Rollout.choose")
        )
        const timeoutMs = request.timeoutMs ?? version.plan.timeoutMs
        const { model, version: name } = version.plan.entry
        const answered = yield* answer(version, request, startedMs).pipe(
          Effect.timeoutOrElse({
            duration: timeoutMs,
            orElse: () => Effect.fail(new DeadlineExceeded({ timeoutMs }))
          }),
          Effect.onInterrupt(() => Effect.sync(() => version.metrics.abandoned())),
          Effect.result,
          withSpan("Inference.infer", { model, version: name })
        )
        const seconds = ((yield* monotonicMs) - startedMs) / 1000
        const error = Result.isFailure(answered) ? answered.failure : firstFailure(answered.success)
        version.metrics.request(seconds, error === undefined ? undefined : errorCatalogue[error._tag].code)
        return yield* Effect.fromResult(answered)
      })
      const warmup = Effect.fnUntraced(function*(model: string, version: string | undefined) {
        const served = yield* registry.get(model, version)
        const startedMs = yield* monotonicMs
        const { entry, timeoutMs } = served.plan
        const [row] = yield* served.queue.submit([{ inputs: zeroRow(served.signature), cost: 1 }], "low").pipe(
          Effect.timeoutOrElse({
            duration: timeoutMs,
            orElse: () => Effect.fail(new DeadlineExceeded({ timeoutMs }))
          })
        )
        if (row !== undefined) yield* Effect.fromResult(row)
        const latencyMs = (yield* monotonicMs) - startedMs
        return { model_id: modelId(entry.model, entry.version), state: "ready" as const, latency_ms: latencyMs }
      })
      const context = yield* Effect.context<never>()
      const runFork = Effect.runForkWith(context)
      const start = (
        request: InferRequest,
        answer: (result: Result.Result<InferResult, InferenceError>) => void
      ): () => void => {
        const fiber = runFork(Effect.map(Effect.result(infer(request)), answer))
        return () => fiber.interruptUnsafe()
      }
      return Inference.of({ infer, start, warmup })
    })
  )
}
