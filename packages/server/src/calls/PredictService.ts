/**
 * The predict call itself, as RPC makes it.
 */
import type { InferResult } from "@sluice/core/InferRequest"
import type { CallError } from "@sluice/domain/Errors"
import type { PredictRequest } from "@sluice/domain/PredictRequest"
import type { PredictResponse } from "@sluice/domain/PredictResponse"
import * as Effect from "effect/Effect"
import { GuardedInference } from "../access/GuardedInference.ts"
import { CurrentPrincipal } from "../access/Principal.ts"
import type { CallContext } from "./CallContext.ts"
import { toInferRequest, toPredictResponse } from "./PredictTranslation.ts"

export interface Predicted {
  readonly response: PredictResponse
  readonly inferred: InferResult
}

export const predict = Effect.fnUntraced(function*(request: PredictRequest, call: CallContext) {
  const inference = yield* GuardedInference
  const asked = yield* Effect.fromResult(toInferRequest(request, call))
  const { result: inferred } = yield* inference.infer(yield* CurrentPrincipal, asked)
  const response = yield* Effect.fromResult(toPredictResponse(inferred, request, request.id ?? call.requestId))
  return { response, inferred }
}) satisfies (
  request: PredictRequest,
  call: CallContext
) => Effect.Effect<Predicted, CallError, GuardedInference>
