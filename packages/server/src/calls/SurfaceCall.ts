/**
 * A call to a model as every HTTP surface makes it: what the pipeline is asked, and how its result is written. Pure.
 */
import type { InferRequest, InferResult } from "@sluice/core/InferRequest"
import type { SluiceError } from "@sluice/domain/Errors"
import * as Result from "effect/Result"
import { type CallContext, callContext, type CallHeaders } from "./CallContext.ts"

/**
 * Writes a JSON text a piece at a time: what is yielded comes first, what is returned last. Nothing of it may be sent
 * before it has ended, for a later item may turn the answer into an error.
 */
export type TextWriter = Generator<string, Result.Result<string, SluiceError>, void>

/** A writer yields when it has written about this many characters: well below a millisecond's work. */
export const pieceLength = 16_384

/** How long the pieces of one text may hold the event loop at a stretch, in milliseconds. */
export const sliceMs = 4

export interface SurfaceCall {
  readonly request: InferRequest
  readonly write: (result: InferResult) => TextWriter
}

/** From a body's text, and the headers beside it, to the call. */
export type PrepareCall = (
  text: string,
  headers: CallHeaders,
  requestId: string
) => Result.Result<SurfaceCall, SluiceError>

/** The body is decoded first, then the headers are read, then the two are made a call: the first mistake is told. */
export const prepareCall = <A>(
  read: (text: string) => Result.Result<A, SluiceError>,
  call: (body: A, context: CallContext) => Result.Result<SurfaceCall, SluiceError>
): PrepareCall =>
(text, headers, requestId) => {
  const body = read(text)
  if (Result.isFailure(body)) return Result.fail(body.failure)
  const context = callContext(headers, requestId)
  return Result.isFailure(context) ? Result.fail(context.failure) : call(body.success, context.success)
}
