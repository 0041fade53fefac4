/**
 * A request's JSON body, read within the size limit.
 */
import { UnsupportedMediaType } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as Schema from "effect/Schema"
import { jsonReader } from "../calls/JsonReader.ts"
import { textBody } from "./TextBody.ts"

const accepted = ["application/json"]

/** Parameters aside, and in any letter case; a body without a type is taken for JSON. */
export const isJson = (contentType: string | undefined): boolean =>
  contentType === undefined || contentType === "application/json" ||
  contentType.split(";")[0]?.trim().toLowerCase() === "application/json"

/** The body's text, decompressed. */
export const readText = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  if (!isJson(request.headers["content-type"])) return yield* new UnsupportedMediaType({ accepted })
  return yield* textBody(request)
})

/** A reader of JSON bodies that may be left out: an empty one stands for `{}`. */
export const optionalJsonBody = <A, E>(schema: Schema.Codec<A, E>) => {
  const read = jsonReader(schema, { exactIntegers: false })
  return (request: HttpServerRequest.HttpServerRequest) =>
    Effect.flatMap(readText(request), (text) => Effect.fromResult(read(text.trim() === "" ? "{}" : text)))
}

/** A reader of JSON bodies of one schema. */
export const jsonBody = <A, E>(schema: Schema.Codec<A, E>) => {
  const read = jsonReader(schema, { exactIntegers: false })
  return (request: HttpServerRequest.HttpServerRequest) =>
    Effect.flatMap(readText(request), (text) => Effect.fromResult(read(text)))
}
