/**
 * How a handler answers: its value as JSON, its error in the shape of the surface that was asked.
 */
import type { SluiceError } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { PlainAnswer } from "./PlainAnswer.ts"
import { RequestContext } from "./RequestContext.ts"
import { errorAnswer } from "./Surface.ts"

export const responseOf = ({ body, contentType, headers, status }: PlainAnswer) =>
  HttpServerResponse.text(body, { status, headers, contentType })

export const json = (body: unknown, headers: Record<string, string> = {}, status = 200) =>
  HttpServerResponse.text(JSON.stringify(body), { status, headers, contentType: "application/json" })

export const errorResponse = (error: SluiceError, path: string, requestId: string) =>
  responseOf(errorAnswer(error, path, requestId))

/** A handler that has settled every typed error: what is left are faults of ours, which the edge answers with 500. */
export const answering = <R>(
  handler: Effect.Effect<HttpServerResponse.HttpServerResponse, SluiceError, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catch(
    handler,
    (error) => Effect.map(RequestContext, ({ path, requestId }) => errorResponse(error, path, requestId))
  )
