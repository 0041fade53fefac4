/**
 * Handlers of the predict group.
 */
import { LegacyPredictRequest, WarmupRequest } from "@sluice/api/PredictApi"
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { PredictionCache } from "@sluice/core/cache/PredictionCache"
import { AuditLog } from "@sluice/core/registry/AuditLog"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { RegistryHost } from "@sluice/core/registry/RegistryHost"
import { ModelNotFound } from "@sluice/domain/Errors"
import { PredictRequest } from "@sluice/domain/PredictRequest"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Result from "effect/Result"
import { visible } from "../access/AccessDecision.ts"
import { CurrentPrincipal } from "../access/Principal.ts"
import { jsonReader } from "../calls/JsonReader.ts"
import { predictCall, resolveAlias } from "../calls/PredictCall.ts"
import { prepareCall } from "../calls/SurfaceCall.ts"
import { EngineControl } from "../cluster/EngineControl.ts"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import { answering, json } from "./Answer.ts"
import { currentCaller } from "./Caller.ts"
import { inferHandler } from "./InferHandler.ts"
import { jsonBody } from "./JsonBody.ts"

const readPredict = jsonReader(PredictRequest, { exactIntegers: false })
const readLegacy = jsonReader(LegacyPredictRequest, { exactIntegers: false })
const readWarmup = jsonBody(WarmupRequest)

const preparePredict = prepareCall(readPredict, predictCall)

const splitId = (id: string): readonly [string, string | undefined] => {
  const at = id.indexOf("@")
  return at < 0 ? [id, undefined] : [id.slice(0, at), id.slice(at + 1)]
}

export const predictHandlers = (api: SluiceApi) =>
  HttpApiBuilder.group(
    api,
    "predict",
    Effect.fnUntraced(function*(handlers) {
      const registry = yield* ModelRegistry
      const host = yield* RegistryHost
      const audit = yield* AuditLog
      const control = yield* EngineControl
      const infer = yield* inferHandler
      const cache = yield* PredictionCache
      const lifecycle = yield* Lifecycle

      const prepareLegacy = prepareCall(
        (text) => Result.flatMap(readLegacy(text), (body) => resolveAlias(body, registry.byPath)),
        predictCall
      )

      const warm = (id: string) => control.warmup(...splitId(id))

      const stats = Effect.gen(function*() {
        const predictions = yield* cache.stats
        return { ...yield* host.stats, entries: predictions.entries, predictions }
      })

      const clear = Effect.fnUntraced(function*(model: string | undefined, withModels: boolean) {
        if (model !== undefined && registry.entry(model) === undefined) {
          return yield* new ModelNotFound({ model: model.slice(0, 200) })
        }
        const cleared = yield* control.clearPredictions(model)
        if (!withModels) return json({ cleared })
        const { by, requestId } = yield* currentCaller
        const models = yield* control.clearModels
        const detail = `${models} idle versions were put away`
        yield* audit.record({ by, action: "model.clear", detail, outcome: "applied", request_id: requestId })
        return json({ cleared, models })
      })

      return handlers
        .handleRaw("predict", ({ request }) => infer(request, preparePredict))
        .handleRaw("inferencePredict", ({ request }) => infer(request, prepareLegacy))
        .handleRaw("warmup", ({ request }) =>
          answering(
            readWarmup(request).pipe(
              Effect.flatMap(({ models }) => Effect.forEach(models, warm, { concurrency: "unbounded" })),
              Effect.map((models) => json({ models }))
            )
          ))
        .handle("cacheStats", () => stats)
        .handle("cacheClear", ({ query }) => answering(clear(query.model, query.models === "true")))
        .handle("inferenceHealth", () =>
          Effect.gen(function*() {
            const versions = visible(yield* CurrentPrincipal, yield* registry.list)
            return {
              status: lifecycle.draining() ? "draining" as const : "active" as const,
              models_ready: versions.filter((version) => version.state === "ready").length
            }
          }))
    })
  )
