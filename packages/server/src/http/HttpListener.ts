/**
 * The HTTP server on its port, and the sentence for when it cannot listen.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"

/** The address cannot be listened on. */
export class ListenFailed
  extends Data.TaggedError("ListenFailed")<{ readonly reason: string; readonly cause: unknown }>
{
  override get message() {
    return this.reason
  }
}

/** Longer than the usual 60 s of a load balancer in front, which would otherwise reuse a connection just closed here. */
const keepAliveTimeout = 65_000

const codeOf = (cause: unknown): string =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "unknown"

const sentence = (error: HttpServerError.ServeError, host: string, port: number): string => {
  switch (codeOf(error.cause)) {
    case "EADDRINUSE":
      return `port ${port} on ${host} is in use: stop what listens there, or set PORT`
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${host} is no address of this machine: set HOST`
    case "EACCES":
      return `port ${port} needs more rights than this process has: set PORT to 1024 or above`
    default:
      return `cannot listen on ${host}:${port}: ${String(error.cause)}`
  }
}

/** Stops accepting when its scope closes, and lets requests in flight finish within the timeout. */
export const httpListener = (options: {
  readonly host: string
  readonly port: number
  readonly shutdownTimeout: Duration.Duration
}) =>
  NodeHttpServer.layer(() => createServer({ keepAliveTimeout }), {
    host: options.host,
    port: options.port,
    gracefulShutdownTimeout: options.shutdownTimeout
  }).pipe(
    Layer.catch((cause) =>
      Layer.effectContext(Effect.fail(new ListenFailed({ reason: sentence(cause, options.host, options.port), cause })))
    )
  )
