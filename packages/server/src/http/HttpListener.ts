/**
 * The HTTP server on its port, over TCP or TLS.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Server as HttpsServer } from "node:https"
import type { Duplex } from "node:stream"
import { explainListening } from "./ListenFailed.ts"
import { type DirectHandler, makeNodeServer } from "./NodeServer.ts"
import { type CertificateFiles, followCertificate, readCertificate } from "./ServerCertificate.ts"

/** The sockets that were upgraded to WebSocket: Node no longer counts them as the server's own, and waits for them forever. */
export class UpgradedSockets extends Context.Service<UpgradedSockets, {
  readonly end: Effect.Effect<void>
}>()("sluice/server/UpgradedSockets") {}

/** Whoever is offered each request before Effect's HTTP gets it. */
export class DirectRequests extends Context.Service<DirectRequests, {
  /** Until the scope closes. */
  readonly offerTo: (handler: DirectHandler) => Effect.Effect<void, never, Scope.Scope>
}>()("sluice/server/DirectRequests") {}

export interface ListenerOptions {
  readonly host: string
  readonly port: number
  /** Plain HTTP where it is undefined. */
  readonly certificate: CertificateFiles | undefined
  readonly shutdownTimeout: Duration.Duration
  readonly headersTimeout: Duration.Duration
  readonly maxConnections: number | undefined
  /** The largest message that a WebSocket takes. */
  readonly maxMessageBytes: number
}

const listen = Effect.fnUntraced(function*(options: ListenerOptions, upgraded: Set<Duplex>, offer: DirectHandler) {
  const { certificate, headersTimeout, host, maxConnections, maxMessageBytes, port, shutdownTimeout } = options
  const pair = certificate === undefined ? undefined : yield* readCertificate(certificate)
  const server = makeNodeServer({
    certificate: pair,
    headersTimeoutMs: Duration.toMillis(headersTimeout),
    maxConnections,
    offer
  })
  server.on("upgrade", (_request, socket: Duplex) => {
    upgraded.add(socket)
    socket.once("close", () => upgraded.delete(socket))
  })
  const following = certificate === undefined || pair === undefined || !(server instanceof HttpsServer)
    ? Layer.empty
    : Layer.effectDiscard(followCertificate(server, certificate, pair))
  return NodeHttpServer.layer(() => server, {
    host,
    port,
    gracefulShutdownTimeout: shutdownTimeout,
    websocket: { maxPayload: maxMessageBytes }
  }).pipe(explainListening({ host, port, portVariable: "PORT" }), Layer.merge(following))
})

/** Stops accepting when its scope closes, and lets requests in flight finish within the timeout. */
export const httpListener = (options: ListenerOptions) => {
  const upgraded = new Set<Duplex>()
  let direct: DirectHandler | undefined
  const offer: DirectHandler = (request, response) => direct !== undefined && direct(request, response)
  return Layer.unwrap(listen(options, upgraded, offer)).pipe(
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
