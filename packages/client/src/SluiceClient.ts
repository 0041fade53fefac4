/**
 * The typed client: RPC over one WebSocket, or over HTTP. Calls fail with the catalogue's own error classes.
 *
 * ```ts
 * const program = Effect.gen(function*() {
 *   const sluice = yield* SluiceClient
 *   return yield* sluice.predict({ model: "sentiment", texts: ["I love this product!"] })
 * }).pipe(
 *   Effect.catchTag("Overloaded", (error) => Console.log(`busy for ${error.retryAfterMs} ms`)),
 *   Effect.provide(SluiceClient.layerWs({ url: "http://localhost:8000" }))
 * )
 * ```
 */
import { type AccessError, RpcAccess, SluiceRpcs } from "@sluice/api/SluiceRpcs"
import type { CallError } from "@sluice/domain/Errors"
import type { Health, ModelList } from "@sluice/domain/ModelInfo"
import type { PredictRequest } from "@sluice/domain/PredictRequest"
import type { PredictResponse } from "@sluice/domain/PredictResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import type { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import { accessHeaders, type Connection, type InvalidUrl } from "./Connection.ts"
import { malformedPayload } from "./MalformedPayload.ts"
import { protocolHttp, protocolWs } from "./RpcTransport.ts"

/** No answer came: the server is not there, left, or is no Sluice. `reason` says which. */
export type { RpcClientError } from "effect/rpc/RpcClientError"

export type PredictError = CallError | AccessError | RpcClientError

/** Interrupting a call cancels it on the server. */
export class SluiceClient extends Context.Service<SluiceClient, {
  readonly predict: (request: PredictRequest) => Effect.Effect<PredictResponse, PredictError>
  /** Every served version, and what each is doing. */
  readonly models: Effect.Effect<ModelList, AccessError | RpcClientError>
  /** Needs no key. */
  readonly health: Effect.Effect<Health, RpcClientError>
}>()("sluice/client/SluiceClient") {
  /** One connection for all calls, opened again when it is lost: the fastest, for many calls and long lives. */
  static readonly layerWs = (connection: Connection): Layer.Layer<SluiceClient, InvalidUrl> =>
    makeLayer(connection).pipe(Layer.provide(protocolWs(connection)))

  /** One HTTP request a call: for few calls, and where a proxy passes nothing else. */
  static readonly layerHttp = (connection: Connection): Layer.Layer<SluiceClient, InvalidUrl> =>
    makeLayer(connection).pipe(Layer.provide(protocolHttp(connection)))
}

/** The key goes with each call, since a browser's WebSocket can send no headers when it connects. */
const access = (connection: Connection) => {
  const headers = Headers.fromInput(accessHeaders(connection))
  return RpcMiddleware.layerClient(
    RpcAccess,
    ({ next, request }) => next({ ...request, headers: Headers.merge(request.headers, headers) })
  )
}

const makeLayer = (connection: Connection) =>
  Layer.effect(
    SluiceClient,
    Effect.map(RpcClient.make(SluiceRpcs), (rpc) =>
      SluiceClient.of({
        // The generated call dies where its payload is not one: that is the caller's 400, not a defect.
        predict: (request) => Effect.catchDefect(rpc.Predict(request), malformedPayload),
        models: Effect.suspend(() => rpc.Models()),
        health: Effect.suspend(() => rpc.Health())
      }))
  ).pipe(Layer.provide(access(connection)))
