/**
 * The typed RPC surface, served at `/rpc` (HTTP, NDJSON) and `/rpc/ws` (WebSocket, schema binary).
 */
import { CallError, Unauthenticated } from "@sluice/domain/Errors"
import { Health, ModelList } from "@sluice/domain/ModelInfo"
import { PredictRequest } from "@sluice/domain/PredictRequest"
import { PredictResponse } from "@sluice/domain/PredictResponse"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"

/** Checks the caller's key, sent in the call's headers or with the connection. */
export class RpcAccess extends RpcMiddleware.Service<RpcAccess>()("sluice/api/RpcAccess", {
  error: Unauthenticated,
  requiredForClient: true
}) {}

export class SluiceRpcs extends RpcGroup.make(
  Rpc.make("Predict", { payload: PredictRequest, success: PredictResponse, error: CallError }),
  Rpc.make("Models", { success: ModelList })
).middleware(RpcAccess).add(
  Rpc.make("Health", { success: Health })
) {}
