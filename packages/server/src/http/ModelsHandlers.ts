/**
 * Handlers of the model lists, under the prefix and at the root.
 */
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"

/** Every served version, as HTTP and RPC list them. */
export const listModels = Effect.gen(function*() {
  const models = yield* (yield* ModelRegistry).list
  return { total: models.length, models }
})

export const modelsHandlers = (api: SluiceApi) =>
  Layer.mergeAll(
    HttpApiBuilder.group(
      api,
      "models",
      Effect.fnUntraced(function*(handlers) {
        const registry = yield* ModelRegistry
        return handlers.handle("list", () => Effect.provideService(listModels, ModelRegistry, registry))
      })
    ),
    HttpApiBuilder.group(
      api,
      "rootModels",
      Effect.fnUntraced(function*(handlers) {
        const registry = yield* ModelRegistry
        return handlers.handle("list", () => Effect.provideService(listModels, ModelRegistry, registry))
      })
    )
  )
