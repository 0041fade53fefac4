/**
 * A request's body as text, decompressed and within a size limit.
 */
import { MalformedRequest, PayloadTooLarge } from "@sluice/domain/Errors"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"

export const unreadableBody = () =>
  new MalformedRequest({ detail: "the body ended early, or is not in the Content-Encoding that the header names" })

/** At most `mostBytes`, and never more than the server's own limit. */
export const textBody = Effect.fnUntraced(function*(
  request: HttpServerRequest.HttpServerRequest,
  mostBytes = Infinity
) {
  const limit = yield* HttpIncomingMessage.MaxBodySize
  const limitBytes = Math.min(mostBytes, limit === undefined ? Infinity : ByteSize.toNumberUnsafe(limit))
  const tooLarge = () => new PayloadTooLarge({ limitBytes })
  if (Number(request.headers["content-length"] ?? 0) > limitBytes) return yield* tooLarge()
  const text = yield* Effect.mapError(
    Number.isFinite(mostBytes)
      ? Effect.provideService(request.text, HttpIncomingMessage.MaxBodySize, ByteSize.fromInputUnsafe(limitBytes))
      : request.text,
    ({ reason }) =>
      reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
        ? tooLarge()
        : unreadableBody()
  )
  return Buffer.byteLength(text) > mostBytes ? yield* tooLarge() : text
})
