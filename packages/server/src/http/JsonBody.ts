/**
 * A request's JSON body, read within the size limit.
 */
import { MalformedRequest, PayloadTooLarge, UnsupportedMediaType } from "@sluice/domain/Errors"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as Schema from "effect/Schema"
import { jsonReader } from "../calls/JsonReader.ts"

const accepted = ["application/json"]

/** Parameters aside, and in any letter case; a body without a type is taken for JSON. */
export const isJson = (contentType: string | undefined): boolean =>
  contentType === undefined || contentType === "application/json" ||
  contentType.split(";")[0]?.trim().toLowerCase() === "application/json"

/** The body's text, decompressed. */
export const readText = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  if (!isJson(request.headers["content-type"])) return yield* new UnsupportedMediaType({ accepted })
  const limit = yield* HttpIncomingMessage.MaxBodySize
  const limitBytes = limit === undefined ? Infinity : ByteSize.toNumberUnsafe(limit)
  const tooLarge = () => new PayloadTooLarge({ limitBytes })
  if (Number(request.headers["content-length"] ?? 0) > limitBytes) return yield* tooLarge()
  return yield* Effect.mapError(
    request.text,
    ({ reason }) =>
      reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
        ? tooLarge()
        : new MalformedRequest({
          detail: "the body ended early, or is not in the Content-Encoding that the header names"
        })
  )
})

/** A reader of JSON bodies of one schema. */
export const jsonBody = <A, E>(schema: Schema.Codec<A, E>) => {
  const read = jsonReader(schema, { exactIntegers: false })
  return (request: HttpServerRequest.HttpServerRequest) =>
    Effect.flatMap(readText(request), (text) => Effect.fromResult(read(text)))
}
