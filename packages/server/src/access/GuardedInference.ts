/**
 * The pipeline behind its guard: whether this caller may call this model, and within which limits. Every surface calls
 * models through here.
 */
import { Inference } from "@sluice/core/Inference"
import type { InferRequest, InferResult } from "@sluice/core/InferRequest"
import { itemCount, type LimitPlan } from "@sluice/core/limits/LimitPlan"
import { type LimitPass, type LimitRefusal, RateLimits } from "@sluice/core/limits/RateLimits"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import { errorCatalogue } from "@sluice/domain/ErrorCatalogue"
import { type CallError, Forbidden } from "@sluice/domain/Errors"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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
      const limits = yield* RateLimits
      const metrics = yield* Metrics

      const refusal = (caller: Principal, model: string): Forbidden | undefined => {
        if (!mayDo(caller, "predict")) return new Forbidden({ detail: "it has no role predict" })
        return mayCall(caller, model)
          ? undefined
          : new Forbidden({ detail: `model "${model}" is not among its models` })
      }

      /** Undefined where nothing limits the call. */
      const planOf = (caller: Principal, model: string, request: InferRequest): LimitPlan | undefined => {
        const modelLimits = registry.limits(model)
        if (!limits.apply(caller.limits, modelLimits)) return undefined
        return limits.plan({
          callerId: caller.id,
          callerLimits: caller.limits,
          model,
          modelLimits,
          items: itemCount(request.input)
        })
      }

      const enter = (
        plan: LimitPlan,
        { input }: InferRequest,
        answer: (entered: Result.Result<LimitPass, LimitRefusal>) => void
      ): void =>
        limits.enter(plan, itemCount(input), (entered) => {
          if (Result.isFailure(entered)) metrics.refused(errorCatalogue[entered.failure._tag].code)
          answer(entered)
        })

      const startLimited = (
        plan: LimitPlan,
        request: InferRequest,
        answer: (answer: GuardedAnswer) => void
      ): () => void => {
        let isOver = false
        let pass: LimitPass | undefined
        let stop: (() => void) | undefined
        enter(plan, request, (entered) => {
          if (Result.isFailure(entered)) {
            if (!isOver) answer({ answered: Result.fail(entered.failure), headers: noHeaders })
            isOver = true
            return
          }
          if (isOver) return entered.success.leave(undefined)
          const { headers, leave } = entered.success
          pass = entered.success
          stop = inference.start(request, (answered) => {
            isOver = true
            leave(answered)
            answer({ answered, headers })
          })
        })
        return () => {
          if (isOver) return
          isOver = true
          stop?.()
          pass?.leave(undefined)
        }
      }

      const inferLimited = (plan: LimitPlan, request: InferRequest) =>
        Effect.acquireUseRelease(
          Effect.callback<LimitPass, LimitRefusal>((resume) =>
            enter(plan, request, (entered) => resume(Effect.fromResult(entered)))
          ),
          ({ headers }) => Effect.map(inference.infer(request), (result) => ({ result, headers })),
          ({ leave }, exit) =>
            Effect.sync(() => leave(Exit.isSuccess(exit) ? Result.succeed(exit.value.result) : undefined))
        )

      return GuardedInference.of({
        start: (caller, request, answer) => {
          const model = request.model ?? registry.defaultModel()
          const refused = refusal(caller, model)
          if (refused !== undefined) {
            answer({ answered: Result.fail(refused), headers: noHeaders })
            return nothing
          }
          const plan = planOf(caller, model, request)
          return plan === undefined
            ? inference.start(request, (answered) => answer({ answered, headers: noHeaders }))
            : startLimited(plan, request, answer)
        },
        infer: Effect.fnUntraced(function*(caller, request) {
          const model = request.model ?? registry.defaultModel()
          const refused = refusal(caller, model)
          if (refused !== undefined) return yield* refused
          const plan = planOf(caller, model, request)
          if (plan !== undefined) return yield* inferLimited(plan, request)
          return { result: yield* inference.infer(request), headers: noHeaders }
        })
      })
    })
  )
}

const noHeaders: Readonly<Record<string, string>> = {}
const nothing = (): void => undefined
