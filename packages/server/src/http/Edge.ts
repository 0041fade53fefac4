/**
 * What every HTTP request passes, whatever its route: a request id, access, content codings, and an answer for every way
 * to fail.
 */
import { openPaths } from "@sluice/api/Access"
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { monotonicMs } from "@sluice/core/Monotonic"
import {
  InternalError,
  MalformedRequest,
  MethodNotAllowed,
  OriginRefused,
  PayloadTooLarge,
  RouteNotFound,
  type SluiceError,
  UnsupportedMediaType
} from "@sluice/domain/Errors"
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerError from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Socket from "effect/socket/Socket"
import { AccessControl, presentedKeys } from "../access/AccessControl.ts"
import { anonymous, CurrentPrincipal } from "../access/Principal.ts"
import { malformed } from "../calls/JsonReader.ts"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import { errorResponse } from "./Answer.ts"
import { crossOrigin, isForeign } from "./Origins.ts"
import { totalTiming } from "./PlainAnswer.ts"
import { RequestContext, requestIdOf } from "./RequestContext.ts"
import { allowedMethods, makeRouteTable, type RouteTable } from "./RouteTable.ts"
import { unreadableBody } from "./TextBody.ts"

/**
 * Paths that answer without a key. They may be written in other ways, too, which then ask for one; what a key may do is
 * checked behind the router. RPC checks the key of each call itself, and a WebSocket that comes with a wrong one is not
 * opened.
 */
const isOpen = (path: string, openMetrics: boolean): boolean =>
  path === "/metrics" ? openMetrics : openPaths.has(path) || path === "/rpc" || path === webSocketPath

const webSocketPath = "/rpc/ws"

const contentCodings = ["gzip", "deflate", "identity"]

const pathOf = (url: string): string => {
  const end = url.search(/[?#]/)
  return end < 0 ? url : url.slice(0, end)
}

/** Each coding costs a decoder, which is built whatever the body: two that differ are more than anybody sends. */
const mostCodings = 2

const knownCodings = (header: string | undefined): boolean => {
  if (header === undefined) return true
  const codings = header.split(",", mostCodings + 1).map((coding) => coding.trim().toLowerCase())
  return codings.length <= mostCodings && new Set(codings).size === codings.length &&
    codings.every((coding) => contentCodings.includes(coding))
}

const isRouteNotFound = (error: unknown): boolean =>
  error instanceof HttpServerError.HttpServerError && error.reason._tag === "RouteNotFound"

const isBodyTooLarge = (error: unknown): boolean =>
  error instanceof HttpServerError.HttpServerError && error.reason._tag === "RequestParseError" &&
  error.reason.reason === "BodyTooLarge"

/** The body broke off, or is not in its coding; where a route reads it by itself this comes as a fault. */
const isUnreadableBody = (error: unknown): boolean =>
  error instanceof HttpServerError.HttpServerError && error.reason._tag === "RequestParseError"

/** A query, a header or a part of the path that the route's description does not take. */
const malformedPart = (error: unknown): MalformedRequest | undefined => {
  if (!HttpApiError.HttpApiSchemaError.is(error) || !(error.kind === "Query" || error.kind === "Headers")) {
    return undefined
  }
  return malformed(error.cause)
}

export interface EdgeOptions {
  /** Whether /metrics answers without a key. */
  readonly openMetrics: boolean
  /** The web pages that browsers let call. */
  readonly origins: ReadonlyArray<string>
}

/** The middleware around all routes. */
export const edge = (api: SluiceApi, { openMetrics, origins }: EdgeOptions) =>
  HttpRouter.middleware(
    Effect.gen(function*() {
      const access = yield* AccessControl
      const lifecycle = yield* Lifecycle
      const maxBodySize = yield* HttpIncomingMessage.MaxBodySize
      const compress = HttpMiddleware.compression()
      const decompress = HttpMiddleware.decompression(
        maxBodySize === undefined ? {} : { maxDecompressedSize: maxBodySize }
      )
      let table: RouteTable | undefined

      const notFound = (path: string, method: string): SluiceError => {
        table ??= makeRouteTable(api)
        const allow = allowedMethods(table, path)
        // A path that fits a route may still lead nowhere, as one that cannot be decoded does.
        return allow.length === 0 || allow.includes(method) ? new RouteNotFound() : new MethodNotAllowed({ allow })
      }

      /** A fault of ours: the log has the cause under the request id, the caller has the id. */
      const onFault = (
        cause: Cause.Cause<unknown>,
        request: HttpServerRequest.HttpServerRequest,
        path: string,
        requestId: string
      ) => {
        const error = Cause.squash(cause)
        if (isRouteNotFound(error)) {
          return Effect.succeed(errorResponse(notFound(path, request.method), path, requestId))
        }
        if (maxBodySize !== undefined && isBodyTooLarge(error)) {
          const limitBytes = ByteSize.toNumberUnsafe(maxBodySize)
          return Effect.succeed(errorResponse(new PayloadTooLarge({ limitBytes }), path, requestId))
        }
        if (isUnreadableBody(error)) return Effect.succeed(errorResponse(unreadableBody(), path, requestId))
        const wrong = malformedPart(error)
        if (wrong !== undefined) return Effect.succeed(errorResponse(wrong, path, requestId))
        // The caller's end broke the connection or its protocol. It is no longer there to read an answer.
        const brokenOff = Socket.isSocketError(error)
        const log = brokenOff
          ? Effect.logDebug("a WebSocket was broken off")
          : Effect.logError("a request failed by a fault of the server", cause)
        return Effect.as(
          Effect.annotateLogs(log, { request_id: requestId, path }),
          errorResponse(new InternalError(), path, requestId)
        )
      }

      return (app) => {
        const coded = compress(decompress(app))
        const answer = Effect.gen(function*() {
          const request = yield* HttpServerRequest.HttpServerRequest
          const path = pathOf(request.url)
          const requestId = requestIdOf(request.headers)
          const startedMs = yield* monotonicMs
          const admitted = Effect.gen(function*() {
            if (!knownCodings(request.headers["content-encoding"])) {
              return yield* new UnsupportedMediaType({ accepted: contentCodings })
            }
            if (!access.required && isForeign(request.method, request.headers, origins)) {
              return yield* new OriginRefused()
            }
            const route = path.replace(/(?<=.)\/$/, "")
            const isAsked = !isOpen(route, openMetrics) ||
              (route === webSocketPath && presentedKeys(request.headers).length > 0)
            const caller = isAsked ? yield* access.authenticate(request.headers) : anonymous
            if (route === webSocketPath && request.headers["upgrade"]?.toLowerCase() !== "websocket") {
              return yield* new MalformedRequest({ field: "Upgrade", detail: "this path takes WebSockets only" })
            }
            return caller
          })
          const response = yield* admitted.pipe(
            Effect.matchEffect({
              onFailure: (error) => Effect.succeed(errorResponse(error, path, requestId)),
              onSuccess: (caller) => Effect.provideService(coded, CurrentPrincipal, caller)
            }),
            Effect.provideService(RequestContext, { requestId, startedMs, path }),
            // Routes that read a body of their own, as RPC does, have no other way to the limit.
            Effect.provideService(HttpIncomingMessage.MaxBodySize, maxBodySize),
            Effect.catchCause((cause) =>
              Cause.hasInterruptsOnly(cause) ? Effect.failCause(cause) : onFault(cause, request, path, requestId)
            ),
            Effect.onInterrupt(() =>
              Effect.logDebug("the client left before the answer").pipe(
                Effect.annotateLogs({ request_id: requestId, path, status: 499 })
              )
            )
          )
          const timing = response.headers["server-timing"] ??
            totalTiming((yield* monotonicMs) - startedMs)
          return HttpServerResponse.setHeaders(response, {
            "x-request-id": requestId,
            "server-timing": timing,
            ...(lifecycle.closing() ? { connection: "close" } : {})
          })
        })
        return origins.length === 0 ? answer : crossOrigin(origins)(answer)
      }
    }),
    { global: true }
  )
