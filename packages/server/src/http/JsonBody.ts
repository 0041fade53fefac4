/**
 * A request's JSON body, read within the size limit and decoded by a schema; what is wrong is named by its field.
 */
import { MalformedRequest, PayloadTooLarge, UnsupportedMediaType } from "@sluice/domain/Errors"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { parseExact } from "./ExactJson.ts"

const accepted = ["application/json"]

const readText = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  const type = (request.headers["content-type"] ?? "application/json").split(";")[0]?.trim().toLowerCase()
  if (type !== "application/json") return yield* new UnsupportedMediaType({ accepted })
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

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const fieldOf = (path: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined): string =>
  (path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".")

/** The first thing that is wrong, by its field: a caller mends one thing at a time. */
export const malformed = (error: Schema.SchemaError): MalformedRequest => {
  const issue = formatIssues(error.issue).issues[0]
  const field = fieldOf(issue?.path)
  const detail = issue?.message ?? "not what this route takes"
  return new MalformedRequest(field === "" ? { detail } : { field, detail })
}

const notJson = () => new MalformedRequest({ detail: "the body is not JSON (NaN and Infinity are not JSON either)" })

/** A reader of JSON bodies of one schema. `exactIntegers` keeps 64-bit integers, as bigint where a number could not. */
export const jsonBody = <A, E>(schema: Schema.Codec<A, E>, options: { readonly exactIntegers: boolean }) => {
  const decode = Schema.decodeUnknownEffect(schema)
  const parse: (text: string) => unknown = options.exactIntegers ? parseExact : JSON.parse
  return Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
    const text = yield* readText(request)
    const body = yield* Effect.try({ try: () => parse(text), catch: notJson })
    return yield* Effect.mapError(decode(body), malformed)
  })
}
