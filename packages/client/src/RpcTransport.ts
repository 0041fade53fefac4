/**
 * The two ways that RPC travels, each with the serialization that the server speaks on it.
 */
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Socket from "effect/socket/Socket"
import { type Connection, rpcAddress, rpcSocketAddress } from "./Connection.ts"

/** The platform's own WebSocket, so that the client runs in browsers too. */
export const protocolWs = (connection: Connection) =>
  Layer.unwrap(
    Effect.map(Effect.fromResult(rpcSocketAddress(connection)), (url) =>
      RpcClient.layerProtocolSocket().pipe(
        Layer.provide([
          Socket.layerWebSocket(url).pipe(Layer.provide(Socket.layerWebSocketConstructorGlobal)),
          RpcSerialization.layerSchemaBinary()
        ])
      ))
  )

/** An answer that is no RPC (a proxy's, or a refusal before RPC is reached) fails by its status. */
const fetchOk = Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, HttpClient.filterStatusOk)).pipe(
  Layer.provide(FetchHttpClient.layer)
)

export const protocolHttp = (connection: Connection) =>
  Layer.unwrap(
    Effect.map(Effect.fromResult(rpcAddress(connection)), (url) =>
      RpcClient.layerProtocolHttp({ url }).pipe(Layer.provide([fetchOk, RpcSerialization.layerNdjson])))
  )
