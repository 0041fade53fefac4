/**
 * How a call to a model is answered through Effect's HTTP: the way of all that a direct route does not take.
 */
import { monotonicReader } from "@sluice/core/Monotonic"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { GuardedInference } from "../access/GuardedInference.ts"
import { CurrentPrincipal } from "../access/Principal.ts"
import { type PrepareCall, sliceMs, type TextWriter } from "../calls/SurfaceCall.ts"
import { answering, responseOf } from "./Answer.ts"
import { readText } from "./JsonBody.ts"
import { inferHead } from "./PlainAnswer.ts"
import { RequestContext } from "./RequestContext.ts"

/** Lets the event loop go on between the pieces of a long text. */
const written = Effect.fnUntraced(function*(writer: TextWriter) {
  const now = yield* monotonicReader
  const pieces: Array<string> = []
  let since = now()
  let step = writer.next()
  while (step.done !== true) {
    pieces.push(step.value)
    if (now() - since > sliceMs) {
      yield* Effect.yieldNow
      since = now()
    }
    step = writer.next()
  }
  pieces.push(yield* Effect.fromResult(step.value))
  return pieces.join("")
})

export const inferHandler = Effect.map(GuardedInference, (inference) => {
  const infer = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest, prepare: PrepareCall) {
    const text = yield* readText(request)
    const { requestId } = yield* RequestContext
    const call = yield* Effect.fromResult(prepare(text, request.headers, requestId))
    const { headers, result } = yield* inference.infer(yield* CurrentPrincipal, call.request)
    return responseOf({ ...inferHead(result, headers), body: yield* written(call.write(result)) })
  })
  return (request: HttpServerRequest.HttpServerRequest, prepare: PrepareCall) => answering(infer(request, prepare))
})
