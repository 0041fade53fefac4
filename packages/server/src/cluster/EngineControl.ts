/**
 * What an operator has the engine do by hand: done by this process, and then by every other of this server.
 */
import { PredictionCache } from "@sluice/core/cache/PredictionCache"
import { Inference } from "@sluice/core/Inference"
import { RegistryControl } from "@sluice/core/registry/RegistryControl"
import { RegistryHost } from "@sluice/core/registry/RegistryHost"
import type { WarmedUp } from "@sluice/core/VersionWarmup"
import { CacheUnavailable, ChangeIncomplete, SluiceError } from "@sluice/domain/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import type { Answer, AnswerOf, Question } from "./ClusterMessages.ts"
import { OtherProcesses } from "./OtherProcesses.ts"

/** How long to wait before what did not reach everybody is sent again, in milliseconds. */
const retryAfterMs = 1000

const encodeError = Schema.encodeSync(SluiceError)
const decodeError = Schema.decodeUnknownSync(SluiceError)

/** How many the others put away together, or what the first of them said that refused. */
const counted = (answers: ReadonlyArray<AnswerOf>): Effect.Effect<number, SluiceError> => {
  let count = 0
  const missing: Array<number> = []
  for (const { answer, process } of answers) {
    if (typeof answer === "string") missing.push(process)
    else if (answer._tag === "Refused") return Effect.fail(decodeError(answer.error))
    else if (answer._tag === "Done") count += answer.count
  }
  return missing.length === 0
    ? Effect.succeed(count)
    : Effect.fail(new ChangeIncomplete({ processes: missing, retryAfterMs }))
}

const answerOf = <E extends SluiceError>(done: Effect.Effect<number | void | WarmedUp, E>): Effect.Effect<Answer> =>
  Effect.match(done, {
    onSuccess: (value): Answer => ({ _tag: "Done", count: typeof value === "number" ? value : 0 }),
    onFailure: (error): Answer => ({ _tag: "Refused", error: encodeError(error) })
  })

const make = Effect.gen(function*() {
  const cache = yield* PredictionCache
  const control = yield* RegistryControl
  const host = yield* RegistryHost
  const inference = yield* Inference
  const lifecycle = yield* Lifecycle
  const others = yield* OtherProcesses

  const forgetPredictions = (model: string | undefined) =>
    Effect.mapError(cache.clear(model), () => new CacheUnavailable({ retryAfterMs }))
  const warm = (model: string, version: string | undefined) =>
    Effect.andThen(host.load(model, version), inference.warmup(model, version))

  const ownAnswer = (question: Question): Effect.Effect<Answer> => {
    switch (question._tag) {
      case "Load":
        return answerOf(host.load(question.model, question.version))
      case "Unload":
        return answerOf(host.unload(question.model, question.version))
      case "Warmup":
        return answerOf(warm(question.model, question.version))
      case "ClearModels":
        return answerOf(host.clear)
      case "ClearPredictions":
        return answerOf(forgetPredictions(question.model))
      case "TakeUpRegistry":
        return answerOf(control.takeUp)
      case "Readiness":
        return Effect.map(lifecycle.ownReadiness, (readiness) => ({ _tag: "IsReady", readiness }))
    }
  }
  yield* others.answer(ownAnswer)

  /** What this process refuses, the others are not asked. */
  const everywhere = <A, E>(done: Effect.Effect<A, E>, question: Question) =>
    Effect.zip(done, Effect.flatMap(others.ask(question), counted))
  const sum = ([own, rest]: readonly [number, number]) => own + rest

  return EngineControl.of({
    load: (model, version) => Effect.asVoid(everywhere(host.load(model, version), { _tag: "Load", model, version })),
    unload: (model, version) =>
      Effect.asVoid(everywhere(host.unload(model, version), { _tag: "Unload", model, version })),
    warmup: (model, version) =>
      Effect.map(everywhere(warm(model, version), { _tag: "Warmup", model, version }), ([own]) => own),
    clearModels: Effect.map(everywhere(host.clear, { _tag: "ClearModels" }), sum),
    clearPredictions: (model) =>
      Effect.map(everywhere(forgetPredictions(model), { _tag: "ClearPredictions", model }), sum),
    takeUpRegistry: Effect.asVoid(others.ask({ _tag: "TakeUpRegistry" }))
  })
})

/** Each fails with what a process said that refused, or with `ChangeIncomplete` where one said nothing in time. */
export class EngineControl extends Context.Service<EngineControl, {
  readonly load: (model: string, version: string | undefined) => Effect.Effect<void, SluiceError>
  readonly unload: (model: string, version: string | undefined) => Effect.Effect<void, SluiceError>
  /** Loads the version where it is not loaded, and computes a row. Gives what that took in this process. */
  readonly warmup: (model: string, version: string | undefined) => Effect.Effect<WarmedUp, SluiceError>
  /** Puts idle versions away, and gives how many in all processes. */
  readonly clearModels: Effect.Effect<number, SluiceError>
  /** Of one model, or of all. Gives how many predictions were forgotten, in Redis or in all processes. */
  readonly clearPredictions: (model: string | undefined) => Effect.Effect<number, SluiceError>
  /** Has the others look at the registry file now. Who does not answer comes to look by itself. */
  readonly takeUpRegistry: Effect.Effect<void>
}>()("sluice/server/EngineControl") {
  static readonly layer = Layer.effect(EngineControl, make)
}
