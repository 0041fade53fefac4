/**
 * The predict call itself, as RPC makes it.
 */
import { Inference } from "@sluice/core/Inference"
import type { InferResult } from "@sluice/core/InferRequest"
import type { InferenceError } from "@sluice/domain/Errors"
import type { PredictRequest } from "@sluice/domain/PredictRequest"
import type { PredictResponse } from "@sluice/domain/PredictResponse"
import * as Effect from "effect/Effect"
import type { CallContext } from "./CallContext.ts"
import { toInferRequest, toPredictResponse } from "./PredictTranslation.ts"

export interface Predicted {
  readonly response: PredictResponse
  readonly inferred: InferResult
}

export const predict = Effect.fnUntraced(function*(request: PredictRequest, call: CallContext) {
  const inference = yield* Inference
  const inferred = yield* inference.infer(yield* Effect.fromResult(toInferRequest(request, call)))
  const response = yield* Effect.fromResult(toPredictResponse(inferred, request, request.id ?? call.requestId))
  return { response, inferred }
}) satisfies (
  request: PredictRequest,
  call: CallContext
) => Effect.Effect<Predicted, InferenceError, Inference>
