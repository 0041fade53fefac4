/**
 * Answers a request otherwise where the version that was to answer it cannot: carries out what `Degradation.ts` decides. A
 * fallback is asked as any version is, once, and has no fallback of its own then.
 */
import type { InferenceError } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Answered, InferRequest, InferResult } from "../InferRequest.ts"
import { encodeUnit } from "../ItemCodec.ts"
import type { ModelRegistry } from "../registry/ModelRegistry.ts"
import type { Metrics } from "../telemetry/Metrics.ts"
import {
  canStandIn,
  defaultResult,
  fallbackRequest,
  markedFallback,
  remediesFor,
  type Unavailable,
  unavailableIn
} from "./Degradation.ts"
import type { DegradationEntry, Fallback, Remedy } from "./DegradationEntry.ts"

export interface StandInsOptions {
  readonly registry: ModelRegistry["Service"]
  readonly metrics: Metrics["Service"]
  readonly now: () => number
}

type Start = (request: InferRequest, answer: (result: Answered) => void) => () => void
type Infer = (request: InferRequest) => Effect.Effect<InferResult, InferenceError>

/** A request that its version did not answer. */
interface Unanswered {
  readonly request: InferRequest
  readonly answered: Answered
  readonly error: Unavailable
  readonly startedMs: number
}

/** What a remedy comes to: an answer, or a request that may bring one. */
type Step = { readonly answer: InferResult } | { readonly ask: InferRequest } | undefined

/** Of more items only the kind is looked at before they get the registry's answer: encoding holds up others. */
const mostEncoded = 32

const nothing = (): void => undefined

export const makeStandIns = ({ metrics, now, registry }: StandInsOptions) => {
  const modelOf = ({ model }: InferRequest): string => model ?? registry.defaultModel()

  /** The version that was to answer, as far as its error says; else the default. */
  const askedVersion = (model: string, error: Unavailable): string =>
    "version" in error && error.model === model ? error.version : registry.entry(model)?.defaultVersion ?? ""

  const count = ({ error, request }: Unanswered, kind: Remedy["kind"]): void => {
    const model = modelOf(request)
    metrics.recorder(model, askedVersion(model, error)).degraded(kind)
  }

  /** By its default version where none is named: a rollout of the fallback is none of these callers' business. */
  const byFallback = (fallback: Fallback, { error, request, startedMs }: Unanswered): Step => {
    const version = fallback.version ?? registry.entry(fallback.model)?.defaultVersion
    if (version === undefined) return undefined
    const ask = fallbackRequest(fallback, version, request, error, now() - startedMs)
    const standIn = registry.served(fallback.model, version)
    const model = modelOf(request)
    // One that was put away is loaded for the request, and its input checked as any.
    const fits = standIn === undefined ||
      canStandIn(request.input, standIn, registry.served(model, askedVersion(model, error)))
    return ask === undefined || !fits ? undefined : { ask }
  }

  /** Bad input stays bad: it is answered by its mistake, where the version is there to find it. */
  const withMistakes = (result: InferResult, { input }: InferRequest): InferResult => {
    const version = registry.served(result.model, result.version)
    if (version === undefined || input._tag !== "Items") return result
    const isFew = input.items.length <= mostEncoded
    return {
      ...result,
      items: result.items.map((given, i) => {
        const item = input.items[i]
        if (item === undefined || (!isFew && version.codec.accepts.includes(item._tag))) return given
        const encoded = encodeUnit(version, item)
        return Result.isFailure(encoded) ? Result.fail(encoded.failure) : given
      })
    }
  }

  const byDefault = (
    { prediction }: Extract<Remedy, { readonly kind: "default" }>,
    { answered, error, request, startedMs }: Unanswered
  ): Step => {
    const model = modelOf(request)
    const version = askedVersion(model, error)
    const precision = registry.entry(model)?.versions.find((entry) => entry.version === version)?.precision ?? "fp32"
    const asked = { model, version, precision }
    const result = defaultResult(prediction, { request, answered, asked, elapsedMs: now() - startedMs })
    return { answer: withMistakes(result, request) }
  }

  const stepOf = (remedy: Remedy, unanswered: Unanswered): Step =>
    remedy.kind === "fallback" ? byFallback(remedy, unanswered) : byDefault(remedy, unanswered)

  /** Undefined where nothing is to be tried. */
  const of = (request: InferRequest): DegradationEntry | undefined => {
    const degradation = request.version === undefined ? registry.entry(modelOf(request))?.degradation : undefined
    return degradation === undefined || degradation.remedies.length === 0 ? undefined : degradation
  }

  const start = (
    degradation: DegradationEntry,
    request: InferRequest,
    startOnce: Start,
    answer: (result: Answered) => void
  ): () => void => {
    const startedMs = now()
    let leave = nothing
    const attempt = (asked: InferRequest, heard: (answered: Answered) => void): void => {
      let isHeard = false
      const left = startOnce(asked, (answered) => {
        isHeard = true
        heard(answered)
      })
      if (!isHeard) leave = left
    }
    const proceed = (unanswered: Unanswered, [remedy, ...further]: ReadonlyArray<Remedy>): void => {
      if (remedy === undefined) return answer(unanswered.answered)
      const step = stepOf(remedy, unanswered)
      if (step === undefined) return proceed(unanswered, further)
      const settle = (result: InferResult): void => {
        count(unanswered, remedy.kind)
        answer(Result.succeed(result))
      }
      if ("answer" in step) return settle(step.answer)
      attempt(step.ask, (answered) => {
        const result = markedFallback(answered)
        if (result === undefined) proceed(unanswered, further)
        else settle(result)
      })
    }
    attempt(request, (answered) => {
      const error = unavailableIn(answered, request)
      if (error === undefined) return answer(answered)
      proceed({ request, answered, error, startedMs }, remediesFor(degradation, request, error))
    })
    return () => leave()
  }

  const infer = Effect.fnUntraced(function*(degradation: DegradationEntry, request: InferRequest, inferOnce: Infer) {
    const startedMs = now()
    const answered = yield* Effect.result(inferOnce(request))
    const error = unavailableIn(answered, request)
    if (error === undefined) return yield* Effect.fromResult(answered)
    const unanswered: Unanswered = { request, answered, error, startedMs }
    for (const remedy of remediesFor(degradation, request, error)) {
      const step = stepOf(remedy, unanswered)
      if (step === undefined) continue
      const result = "answer" in step ? step.answer : markedFallback(yield* Effect.result(inferOnce(step.ask)))
      if (result === undefined) continue
      count(unanswered, remedy.kind)
      return result
    }
    return yield* Effect.fromResult(answered)
  })

  return { of, start, infer }
}
