/**
 * Handlers of the predict group.
 */
import { LegacyPredictRequest, WarmupRequest } from "@sluice/api/PredictApi"
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { PredictionCache } from "@sluice/core/cache/PredictionCache"
import { Inference } from "@sluice/core/Inference"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { CacheUnavailable, ModelNotFound } from "@sluice/domain/Errors"
import { PredictRequest } from "@sluice/domain/PredictRequest"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { Lifecycle } from "../lifecycle/Lifecycle.ts"
import { predict } from "../predict/PredictService.ts"
import { answering, json, serverTiming } from "./Answer.ts"
import { callContext } from "./CallHeaders.ts"
import { jsonBody } from "./JsonBody.ts"

const readPredict = jsonBody(PredictRequest, { exactIntegers: false })
const readLegacy = jsonBody(LegacyPredictRequest, { exactIntegers: false })
const readWarmup = jsonBody(WarmupRequest, { exactIntegers: false })

/** How long to wait before a store that failed is asked again, in milliseconds. */
const storeRetryMs = 1000

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
      const inference = yield* Inference
      const cache = yield* PredictionCache
      const lifecycle = yield* Lifecycle

      const answer = Effect.fnUntraced(
        function*(payload: PredictRequest, request: HttpServerRequest.HttpServerRequest) {
          const { inferred, response } = yield* Effect.provideService(
            predict(payload, yield* callContext(request)),
            Inference,
            inference
          )
          return json(response, {
            "server-timing": serverTiming(inferred.timings),
            "x-cache": inferred.cacheStatus,
            "x-model-version": response.model_version
          })
        }
      )

      /** A path that the registry lists stands for its model and version; any other is no model, and is never read. */
      const resolveAlias = Effect.fnUntraced(function*({ model_path: path, ...payload }: LegacyPredictRequest) {
        if (path === undefined) return payload
        const found = registry.byPath(path)
        if (found === undefined) return yield* new ModelNotFound({ model: path.slice(0, 200) })
        return { ...payload, model: found.model, model_version: payload.model_version ?? found.version }
      })

      const warm = Effect.fnUntraced(function*(id: string) {
        const [model, version] = splitId(id)
        return yield* inference.warmup(model, version)
      })

      return handlers
        .handleRaw(
          "predict",
          ({ request }) => answering(Effect.flatMap(readPredict(request), (payload) => answer(payload, request)))
        )
        .handleRaw("inferencePredict", ({ request }) =>
          answering(
            readLegacy(request).pipe(
              Effect.flatMap(resolveAlias),
              Effect.flatMap((payload) => answer(payload, request))
            )
          ))
        .handleRaw("warmup", ({ request }) =>
          answering(
            readWarmup(request).pipe(
              Effect.flatMap(({ models }) => Effect.forEach(models, warm, { concurrency: "unbounded" })),
              Effect.map((models) => json({ models }))
            )
          ))
        .handle("cacheStats", () => cache.stats)
        .handle("cacheClear", () =>
          answering(
            cache.clear().pipe(
              Effect.mapError(() => new CacheUnavailable({ retryAfterMs: storeRetryMs })),
              Effect.map((cleared) => json({ cleared }))
            )
          ))
        .handle("inferenceHealth", () =>
          Effect.map(registry.list, (versions) => ({
            status: lifecycle.draining() ? "draining" as const : "active" as const,
            models_ready: versions.filter((version) => version.state === "ready").length
          })))
    })
  )
