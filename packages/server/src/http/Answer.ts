/**
 * How a handler answers: its value as JSON, its error in the shape of the surface that was asked.
 */
import type { StageTimings } from "@sluice/core/InferRequest"
import type { SluiceError } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { RequestContext } from "./RequestContext.ts"
import { errorResponse } from "./Surface.ts"

/** W3C Server-Timing, `dur` in milliseconds. */
export const serverTiming = (timings: StageTimings): string =>
  (["queue", "encode", "compute", "cache", "total"] as const)
    .map((stage) => `${stage};dur=${timings[stage].toFixed(2)}`)
    .join(", ")

export const json = (body: unknown, headers: Record<string, string> = {}, status = 200) =>
  HttpServerResponse.text(JSON.stringify(body), { status, headers, contentType: "application/json" })

/** A handler that has settled every typed error: what is left are faults of ours, which the edge answers with 500. */
export const answering = <R>(
  handler: Effect.Effect<HttpServerResponse.HttpServerResponse, SluiceError, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catch(
    handler,
    (error) => Effect.map(RequestContext, ({ path, requestId }) => errorResponse(error, path, requestId))
  )
