/**
 * The client for those who write promises:
 *
 * ```ts
 * await using sluice = await connect({ url: "http://localhost:8000" })
 * const { results } = await sluice.predict({ model: "sentiment", texts: ["I love this product!"] })
 * ```
 */
import type { Health, ModelList } from "@sluice/domain/ModelInfo"
import type { PredictRequest } from "@sluice/domain/PredictRequest"
import type { PredictResponse } from "@sluice/domain/PredictResponse"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { RpcClientError } from "effect/rpc/RpcClientError"
import type { Connection } from "./Connection.ts"
import { describeConnectionFailure } from "./ConnectionFailure.ts"
import { SluiceClient } from "./SluiceClient.ts"

export interface CallOptions {
  /** Aborting it cancels the call, on the server too. */
  readonly signal?: AbortSignal
}

/** Promises reject with the catalogue's classes, `error._tag === "ModelNotFound"`, or with `RpcClientError`. */
export interface SluiceConnection extends AsyncDisposable {
  readonly predict: (request: PredictRequest, options?: CallOptions) => Promise<PredictResponse>
  readonly models: (options?: CallOptions) => Promise<ModelList>
  readonly health: (options?: CallOptions) => Promise<Health>
  readonly close: () => Promise<void>
}

/** Opens a WebSocket for all calls. Rejects where no server answers; a connection lost later is opened again. */
export const connect = async (connection: Connection): Promise<SluiceConnection> => {
  const runtime = ManagedRuntime.make(SluiceClient.layerWs(connection))
  let closed = false
  const call = async <A, E>(use: (client: SluiceClient["Service"]) => Effect.Effect<A, E>, options?: CallOptions) => {
    if (closed) throw new Error(`the connection to ${connection.url} is closed`)
    try {
      return await runtime.runPromise(Effect.flatMap(SluiceClient, use), options)
    } catch (cause) {
      // As fetch does it: who aborts a call gets back what they aborted it with.
      throw options?.signal?.aborted === true ? options.signal.reason : cause
    }
  }
  const health = (options?: CallOptions) => call((client) => client.health, options)
  const close = () => {
    closed = true
    return runtime.dispose()
  }
  try {
    await health()
  } catch (cause) {
    await close()
    throw cause instanceof RpcClientError
      ? new Error(describeConnectionFailure(cause, connection.url), { cause })
      : cause
  }
  return {
    predict: (request, options) => call((client) => client.predict(request), options),
    models: (options) => call((client) => client.models, options),
    health,
    close,
    [Symbol.asyncDispose]: close
  }
}
