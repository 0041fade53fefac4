/**
 * Handlers of OpenAI's embeddings call and model list.
 */
import { EmbeddingsRequest } from "@sluice/api/OpenAiApi"
import type { SluiceApi } from "@sluice/api/SluiceApi"
import { Inference } from "@sluice/core/Inference"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { InvalidInput, MalformedRequest, ModelFailed } from "@sluice/domain/Errors"
import type { Item } from "@sluice/domain/Item"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { cacheMode } from "../predict/PredictTranslation.ts"
import { answering, json, serverTiming } from "./Answer.ts"
import { callContext } from "./CallHeaders.ts"
import { cutEmbedding, embeddingBase64 } from "./Embedding.ts"
import { jsonBody } from "./JsonBody.ts"

const readEmbeddings = jsonBody(EmbeddingsRequest, { exactIntegers: false })

/** One text, many texts, one list of token ids or many. */
const itemsOf = (input: EmbeddingsRequest["input"]): ReadonlyArray<Item> => {
  if (typeof input === "string") return [{ _tag: "Text", text: input }]
  const lists: ReadonlyArray<string | number | ReadonlyArray<number>> = input
  const ids = lists.filter((entry) => typeof entry === "number")
  if (ids.length > 0) return [{ _tag: "Tokens", ids }]
  return lists.map((entry): Item =>
    typeof entry === "string"
      ? { _tag: "Text", text: entry }
      : { _tag: "Tokens", ids: typeof entry === "number" ? [entry] : entry }
  )
}

export const openAiHandlers = (api: SluiceApi) =>
  HttpApiBuilder.group(
    api,
    "openai",
    Effect.fnUntraced(function*(handlers) {
      const registry = yield* ModelRegistry
      const inference = yield* Inference

      const embed = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
        const body = yield* readEmbeddings(request)
        const call = yield* callContext(request)
        const result = yield* inference.infer({
          model: body.model,
          version: undefined,
          routingKey: call.routingKey,
          input: { _tag: "Items", items: itemsOf(body.input) },
          cache: cacheMode(undefined, call.cacheControl),
          priority: "normal",
          timeoutMs: call.timeoutMs
        })
        const { model, version } = result
        let tokens = 0
        const data: Array<{ readonly object: "embedding"; readonly index: number; readonly embedding: unknown }> = []
        for (const [index, outcome] of result.items.entries()) {
          const item = yield* Effect.fromResult(outcome)
          const embedding = item.prediction?.embedding
          if (embedding === undefined) {
            return yield* new InvalidInput({ detail: `model "${model}" does not make embeddings; use one that does` })
          }
          const { dimensions = embedding.length } = body
          if (dimensions > embedding.length) {
            return yield* new MalformedRequest({
              field: "dimensions",
              detail: `this model makes ${embedding.length}, expected at most that many`
            })
          }
          const values = cutEmbedding(embedding, dimensions)
          if (values === undefined) return yield* new ModelFailed({ model, version })
          tokens += item.cost
          data.push({
            object: "embedding",
            index,
            embedding: body.encoding_format === "base64" ? embeddingBase64(values) : Array.from(values)
          })
        }
        return json(
          { object: "list", data, model: body.model, usage: { prompt_tokens: tokens, total_tokens: tokens } },
          {
            "server-timing": serverTiming(result.timings),
            "x-cache": result.cacheStatus,
            "x-model-version": version
          }
        )
      })

      const openAiModel = (id: string) => ({ id, object: "model" as const, created: 0, owned_by: "sluice" })
      const names = Effect.map(registry.list, (versions) => [...new Set(versions.map((version) => version.name))])

      return handlers
        .handleRaw("embeddings", ({ request }) => answering(embed(request)))
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
