/**
 * Node's server, over TCP or TLS, with what bounds a client that is slow or one of too many.
 */
import { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http"
import { Server as HttpsServer } from "node:https"
import type { Duplex } from "node:stream"
import type { CertificatePair } from "./ServerCertificate.ts"

/** Answers a request itself, or gives false and leaves it untouched. */
export type DirectHandler = (request: IncomingMessage, response: ServerResponse) => boolean

export interface NodeServerOptions {
  /** Over TLS where there is one. */
  readonly certificate?: CertificatePair | undefined
  /** How long a client may take for a request's headers, and for a TLS handshake. */
  readonly headersTimeoutMs: number
  /** Connections beyond these are closed at once; undefined for no limit. */
  readonly maxConnections?: number | undefined
  /** Who is offered each request before the listeners of `request`, which are told only of those that it did not take. */
  readonly offer?: DirectHandler
}

/** How long after the listening ends a request may still come on a connection that is open. */
const lastRequestMs = 500

/** Longer than the usual 60 s of a load balancer in front, which would otherwise reuse a connection just closed here. */
const keepAliveTimeout = 65_000

/** How long a whole request may take to come, as Node has it. */
const requestTimeoutMs = 300_000

const offering = (server: HttpServer, offer: DirectHandler): void => {
  const emit = server.emit.bind(server)
  server.emit = (event: string, ...values: ReadonlyArray<unknown>): boolean => {
    if (event === "request") {
      const [request, response] = values
      if (request instanceof IncomingMessage && response instanceof ServerResponse && offer(request, response)) {
        return true
      }
    }
    return emit(event, ...values)
  }
}

/** Not Node's own `maxConnections`, by which a process of several hands a connection to the next one, round and round. */
const limitConnections = (server: HttpServer, most: number): void => {
  let open = 0
  server.prependListener("connection", (socket: Duplex) => {
    if (open >= most) return void socket.destroy()
    open++
    socket.once("close", () => open--)
  })
}

export const makeNodeServer = (options: NodeServerOptions): HttpServer => {
  const { certificate, headersTimeoutMs, maxConnections, offer } = options
  const timing = {
    keepAliveTimeout,
    headersTimeout: headersTimeoutMs,
    requestTimeout: Math.max(requestTimeoutMs, headersTimeoutMs),
    // How often Node looks for those that are too slow.
    connectionsCheckingInterval: Math.min(headersTimeoutMs / 2, 5_000)
  }
  const server: HttpServer = certificate === undefined
    ? new HttpServer(timing)
    : new HttpsServer({ ...timing, ...certificate, handshakeTimeout: headersTimeoutMs })
  const closeIdle = server.closeIdleConnections.bind(server)
  // Node calls this on `close`, when the next request of a kept connection may be on the way.
  server.closeIdleConnections = () => {
    setTimeout(closeIdle, lastRequestMs)
  }
  if (offer !== undefined) offering(server, offer)
  if (maxConnections !== undefined) limitConnections(server, maxConnections)
  return server
}
