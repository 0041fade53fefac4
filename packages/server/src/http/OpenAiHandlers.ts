/**
 * Handlers of OpenAI's embeddings call and model list.
 */
import { EmbeddingsRequest } from "@sluice/api/OpenAiApi"
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { visible } from "../access/AccessDecision.ts"
import { CurrentPrincipal } from "../access/Principal.ts"
import { embeddingsCall } from "../calls/EmbeddingsCall.ts"
import { jsonReader } from "../calls/JsonReader.ts"
import { prepareCall } from "../calls/SurfaceCall.ts"
import { answering, json } from "./Answer.ts"
import { inferHandler } from "./InferHandler.ts"

const prepareEmbeddings = prepareCall(jsonReader(EmbeddingsRequest, { exactIntegers: false }), embeddingsCall)

export const openAiHandlers = (api: SluiceApi) =>
  HttpApiBuilder.group(
    api,
    "openai",
    Effect.fnUntraced(function*(handlers) {
      const registry = yield* ModelRegistry
      const infer = yield* inferHandler

      const openAiModel = (id: string) => ({ id, object: "model" as const, created: 0, owned_by: "sluice" })
      const names = Effect.gen(function*() {
        const versions = visible(yield* CurrentPrincipal, yield* registry.list)
        return [...new Set(versions.map((version) => version.name))]
      })

      return handlers
        .handleRaw("embeddings", ({ request }) => infer(request, prepareEmbeddings))
        .handle(
          "models",
          () => Effect.map(names, (names) => ({ object: "list" as const, data: names.map(openAiModel) }))
        )
        .handle(
          "model",
          ({ params }) => answering(Effect.map(registry.versions(params.id), () => json(openAiModel(params.id))))
        )
    })
  )
