/**
 * Handlers of the model lists, under the prefix and at the root.
 */
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import { visible } from "../access/AccessDecision.ts"
import { CurrentPrincipal } from "../access/Principal.ts"

/** Every served version that the caller may see, as HTTP and RPC list them. */
export const listModels = Effect.gen(function*() {
  const models = visible(yield* CurrentPrincipal, yield* (yield* ModelRegistry).list)
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
