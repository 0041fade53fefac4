/**
 * OpenAI's embeddings call: its body and its answer's text. Pure.
 */
import type { EmbeddingsRequest } from "@sluice/api/OpenAiApi"
import type { InferResult } from "@sluice/core/InferRequest"
import { InvalidInput, MalformedRequest, ModelFailed, ModelNotReady, type SluiceError } from "@sluice/domain/Errors"
import type { Item } from "@sluice/domain/Item"
import * as Result from "effect/Result"
import { cachePolicy } from "./CachePolicy.ts"
import type { CallContext } from "./CallContext.ts"
import { cutEmbedding, embeddingBase64 } from "./Embedding.ts"
import { float32Text } from "./Float32Text.ts"
import { pieceLength, type SurfaceCall, type TextWriter } from "./SurfaceCall.ts"

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

/** In milliseconds: what it waits for is not known here. */
const unavailableRetryMs = 1000

function* embeddingsText(request: EmbeddingsRequest, result: InferResult): TextWriter {
  const { items, model, version } = result
  let tokens = 0
  let json = `{"object":"list","data":[`
  for (let i = 0; i < items.length; i++) {
    const outcome = items[i]!
    if (Result.isFailure(outcome)) return Result.fail(outcome.failure)
    const embedding = outcome.success.prediction?.embedding
    if (embedding === undefined && result.degraded?.kind === "default") {
      // What the registry holds ready is no embedding.
      return Result.fail(new ModelNotReady({ model, version, state: "unavailable", retryAfterMs: unavailableRetryMs }))
    }
    if (embedding === undefined) {
      const detail = `model "${model}" does not make embeddings; use one that does`
      return Result.fail(new InvalidInput({ detail }))
    }
    const { dimensions = embedding.length } = request
    if (dimensions > embedding.length) {
      const detail = `this model makes ${embedding.length}, expected at most that many`
      return Result.fail(new MalformedRequest({ field: "dimensions", detail }))
    }
    const values = cutEmbedding(embedding, dimensions)
    if (values === undefined) return Result.fail(new ModelFailed({ model, version }))
    tokens += outcome.success.cost
    const text = request.encoding_format === "base64" ? `"${embeddingBase64(values)}"` : `[${float32Text(values)}]`
    json += `${i > 0 ? "," : ""}{"object":"embedding","index":${i},"embedding":${text}}`
    if (json.length >= pieceLength) {
      yield json
      json = ""
    }
  }
  return Result.succeed(
    `${json}],"model":${JSON.stringify(request.model)},"usage":{"prompt_tokens":${tokens},"total_tokens":${tokens}}}`
  )
}

export const embeddingsCall = (
  body: EmbeddingsRequest,
  context: CallContext
): Result.Result<SurfaceCall, SluiceError> =>
  Result.succeed({
    request: {
      model: body.model,
      version: undefined,
      routingKey: context.routingKey,
      input: { _tag: "Items", items: itemsOf(body.input) },
      ...cachePolicy(undefined, context.cacheControl),
      priority: "normal",
      timeoutMs: context.timeoutMs,
      consistent: false
    },
    write: (result) => embeddingsText(body, result)
  })
