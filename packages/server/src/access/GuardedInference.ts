/**
 * The pipeline behind its guard: whether this caller may call this model, and within which limits. Every surface calls
 * models through here.
 */
import { Inference } from "@sluice/core/Inference"
import type { InferRequest, InferResult } from "@sluice/core/InferRequest"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { type CallError, Forbidden } from "@sluice/domain/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { mayCall, mayDo, type Principal } from "./Principal.ts"

/** What came of a call, and the headers that tell of the caller's limits. */
export interface GuardedAnswer {
  readonly answered: Result.Result<InferResult, CallError>
  readonly headers: Readonly<Record<string, string>>
}

export class GuardedInference extends Context.Service<GuardedInference, {
  /** As `Inference.start`. */
  readonly start: (caller: Principal, request: InferRequest, answer: (answer: GuardedAnswer) => void) => () => void
  /** As `Inference.infer`; the headers come beside the result. */
  readonly infer: (
    caller: Principal,
    request: InferRequest
  ) => Effect.Effect<Pick<GuardedAnswer, "headers"> & { readonly result: InferResult }, CallError>
}>()("sluice/server/GuardedInference") {
  static readonly layer = Layer.effect(
    GuardedInference,
    Effect.gen(function*() {
      const inference = yield* Inference
      const registry = yield* ModelRegistry

      const refusal = (caller: Principal, model: string): Forbidden | undefined => {
        if (!mayDo(caller, "predict")) return new Forbidden({ detail: "it has no role predict" })
        return mayCall(caller, model)
          ? undefined
          : new Forbidden({ detail: `model "${model}" is not among its models` })
      }

      return GuardedInference.of({
        start: (caller, request, answer) => {
          const refused = refusal(caller, request.model ?? registry.defaultModel())
          if (refused !== undefined) {
            answer({ answered: Result.fail(refused), headers: noHeaders })
            return nothing
          }
          return inference.start(request, (answered) => answer({ answered, headers: noHeaders }))
        },
        infer: Effect.fnUntraced(function*(caller, request) {
          const refused = refusal(caller, request.model ?? registry.defaultModel())
          if (refused !== undefined) return yield* refused
          return { result: yield* inference.infer(request), headers: noHeaders }
        })
      })
    })
  )
}

const noHeaders: Readonly<Record<string, string>> = {}
const nothing = (): void => undefined
