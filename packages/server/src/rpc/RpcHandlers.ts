/**
 * The RPC surface: the same calls as over HTTP, with typed errors.
 */
import { rpcRule } from "@sluice/api/Access"
import { RpcAccess, SluiceRpcs } from "@sluice/api/SluiceRpcs"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { InternalError, ServerDraining } from "@sluice/domain/Errors"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import { randomUUID } from "node:crypto"
import { AccessControl, presentedKeys } from "../access/AccessControl.ts"
import { refusalOf } from "../access/AccessDecision.ts"
import { GuardedInference } from "../access/GuardedInference.ts"
import { CurrentPrincipal } from "../access/Principal.ts"
import { predict } from "../calls/PredictService.ts"
import { health } from "../http/HealthHandlers.ts"
import { listModels } from "../http/ModelsHandlers.ts"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"

/** How long a caller of a server that stops waits before it tries another, in milliseconds. */
const drainingRetryMs = 1000

const handlers = SluiceRpcs.toLayer(
  Effect.gen(function*() {
    const inference = yield* GuardedInference
    const registry = yield* ModelRegistry
    const lifecycle = yield* Lifecycle
    return SluiceRpcs.of({
      Predict: Effect.fnUntraced(function*(request, { headers }) {
        if (lifecycle.closing()) return yield* new ServerDraining({ retryAfterMs: drainingRetryMs })
        const requestId = request.id ?? randomUUID()
        const call = {
          requestId,
          routingKey: headers["x-routing-key"] ?? presentedKeys(headers)[0] ?? requestId,
          cacheControl: headers["cache-control"],
          timeoutMs: undefined
        }
        const { response } = yield* lifecycle.track(
          Effect.provideService(predict(request, call), GuardedInference, inference)
        )
          .pipe(
            // A defect would end every call of the connection, and tell the caller what went wrong in here.
            Effect.catchDefect((defect) =>
              Effect.logError("a call failed by a fault of the server", defect).pipe(
                Effect.annotateLogs({ request_id: requestId, path: "Predict" }),
                Effect.andThen(new InternalError())
              )
            )
          )
        return response
      }),
      Models: () => Effect.provideService(listModels, ModelRegistry, registry),
      Health: () => Effect.provideService(health, ModelRegistry, registry)
    })
  })
)

/** Headers of the connection come first, so that a call may bring a key of its own. */
const access = Layer.effect(
  RpcAccess,
  Effect.gen(function*() {
    const control = yield* AccessControl
    return RpcAccess.of((effect, { headers, rpc }) => {
      const rule = rpcRule(rpc._tag)
      if (rule === "open") return effect
      return Effect.gen(function*() {
        const caller = yield* control.authenticate(headers)
        const refused = refusalOf(caller, rule)
        if (refused?._tag === "Forbidden") return yield* refused
        return yield* Effect.provideService(effect, CurrentPrincipal, caller)
      })
    })
  })
)

const overHttp = RpcServer.layerHttp({ group: SluiceRpcs, path: "/rpc", protocol: "http" }).pipe(
  Layer.provide(RpcSerialization.layerNdjson)
)

const overWebSocket = (maxBodyBytes: number) =>
  RpcServer.layerHttp({ group: SluiceRpcs, path: "/rpc/ws" }).pipe(
    Layer.provide(RpcSerialization.layerSchemaBinary({ maxFrameSize: maxBodyBytes }))
  )

/** `/rpc` and `/rpc/ws`. A message over WebSocket is held to the same size as a body over HTTP. */
export const rpcRoutes = (maxBodyBytes: number) =>
  Layer.mergeAll(overHttp, overWebSocket(maxBodyBytes)).pipe(Layer.provide([handlers, access]))
