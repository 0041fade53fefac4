/**
 * The HTTP server on its port, and the sentence for when it cannot listen.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpServerError from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"

/** The address cannot be listened on. */
export class ListenFailed
  extends Data.TaggedError("ListenFailed")<{ readonly reason: string; readonly cause: unknown }>
{
  override get message() {
    return this.reason
  }
}

/** The sockets that were upgraded to WebSocket: Node no longer counts them as the server's own, and waits for them forever. */
export class UpgradedSockets extends Context.Service<UpgradedSockets, {
  readonly end: Effect.Effect<void>
}>()("sluice/server/UpgradedSockets") {}

/** Answers a request itself, or gives false and leaves it untouched. */
export type DirectHandler = (request: IncomingMessage, response: ServerResponse) => boolean

/** Whoever is offered each request before Effect's HTTP gets it. */
export class DirectRequests extends Context.Service<DirectRequests, {
  /** Until the scope closes. */
  readonly offerTo: (handler: DirectHandler) => Effect.Effect<void, never, Scope.Scope>
}>()("sluice/server/DirectRequests") {}

/** How long after the listening ends a request may still come on a connection that is open. */
const lastRequestMs = 500

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

/** The listener of `request` that Effect adds is told only of those that nobody took before. */
class OfferingServer extends Server {
  readonly offer: DirectHandler

  constructor(offer: DirectHandler) {
    super({ keepAliveTimeout })
    this.offer = offer
  }

  override emit(event: string, ...values: ReadonlyArray<unknown>): boolean {
    if (event === "request") {
      const [request, response] = values
      if (request instanceof IncomingMessage && response instanceof ServerResponse && this.offer(request, response)) {
        return true
      }
    }
    return super.emit(event, ...values)
  }
}

const makeServer = (upgraded: Set<Duplex>, offer: DirectHandler): Server => {
  const server = new OfferingServer(offer)
  const closeIdle = server.closeIdleConnections.bind(server)
  // Node calls this on `close`, when the next request of a kept connection may be on the way.
  server.closeIdleConnections = () => {
    setTimeout(closeIdle, lastRequestMs)
  }
  server.on("upgrade", (_request, socket: Duplex) => {
    upgraded.add(socket)
    socket.once("close", () => upgraded.delete(socket))
  })
  return server
}

/** Stops accepting when its scope closes, and lets requests in flight finish within the timeout. */
export const httpListener = (options: {
  readonly host: string
  readonly port: number
  readonly shutdownTimeout: Duration.Duration
  /** The largest message that a WebSocket takes. */
  readonly maxMessageBytes: number
}) => {
  const { host, maxMessageBytes, port, shutdownTimeout } = options
  const upgraded = new Set<Duplex>()
  let direct: DirectHandler | undefined
  const offer: DirectHandler = (request, response) => direct !== undefined && direct(request, response)
  return NodeHttpServer.layer(() => makeServer(upgraded, offer), {
    host,
    port,
    gracefulShutdownTimeout: shutdownTimeout,
    websocket: { maxPayload: maxMessageBytes }
  }).pipe(
    Layer.catch((cause) =>
      Layer.effectContext(Effect.fail(new ListenFailed({ reason: sentence(cause, host, port), cause })))
    ),
    Layer.merge(Layer.succeed(UpgradedSockets, {
      end: Effect.sync(() => {
        for (const socket of upgraded) socket.end()
      })
    })),
    Layer.merge(Layer.succeed(DirectRequests, {
      offerTo: (handler) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            direct = handler
          }),
          () =>
            Effect.sync(() => {
              direct = undefined
            })
        )
    }))
  )
}
