/**
 * The typed RPC surface, served at `/rpc` (HTTP, NDJSON) and `/rpc/ws` (WebSocket, schema binary).
 */
import { CallError, Forbidden, RateLimited, Unauthenticated } from "@sluice/domain/Errors"
import { Health, ModelList } from "@sluice/domain/ModelInfo"
import { PredictRequest } from "@sluice/domain/PredictRequest"
import { PredictResponse } from "@sluice/domain/PredictResponse"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as Schema from "effect/Schema"

/** What a call may answer before it is made. */
export const AccessError = Schema.Union([Unauthenticated, Forbidden, RateLimited])
export type AccessError = typeof AccessError.Type

/** Checks the caller's key, sent in the call's headers or with the connection. */
export class RpcAccess extends RpcMiddleware.Service<RpcAccess>()("sluice/api/RpcAccess", {
  error: AccessError,
  requiredForClient: true
}) {}

export class SluiceRpcs extends RpcGroup.make(
  Rpc.make("Predict", { payload: PredictRequest, success: PredictResponse, error: CallError }),
  Rpc.make("Models", { success: ModelList })
).middleware(RpcAccess).add(
  Rpc.make("Health", { success: Health })
) {}
