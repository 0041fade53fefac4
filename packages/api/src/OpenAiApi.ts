/**
 * OpenAI's embeddings call, as its SDKs make it.
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"

const maxInputs = 2048

/** `dimensions` cuts an embedding and normalises it again. Token inputs are ids of the model's own tokenizer. */
export const EmbeddingsRequest = Schema.Struct({
  model: Schema.String,
  input: Schema.Union([
    Schema.String,
    Schema.Array(Schema.String).check(Schema.isMinLength(1), Schema.isMaxLength(maxInputs)),
    Schema.Array(Schema.Natural).check(Schema.isMinLength(1)),
    Schema.Array(Schema.Array(Schema.Natural).check(Schema.isMinLength(1))).check(
      Schema.isMinLength(1),
      Schema.isMaxLength(maxInputs)
    )
  ]),
  encoding_format: Schema.optionalKey(Schema.Literals(["float", "base64"])),
  dimensions: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  user: Schema.optionalKey(Schema.String)
})
export interface EmbeddingsRequest extends Schema.Schema.Type<typeof EmbeddingsRequest> {}

/** base64 is of the little-endian float32 values. */
export const EmbeddingsResponse = Schema.Struct({
  object: Schema.Literal("list"),
  data: Schema.Array(
    Schema.Struct({
      object: Schema.Literal("embedding"),
      index: Schema.Int,
      embedding: Schema.Union([Schema.Array(Schema.Finite), Schema.String])
    })
  ),
  model: Schema.String,
  usage: Schema.Struct({ prompt_tokens: Schema.Int, total_tokens: Schema.Int })
})
export interface EmbeddingsResponse extends Schema.Schema.Type<typeof EmbeddingsResponse> {}

export const OpenAiModel = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("model"),
  created: Schema.Int,
  owned_by: Schema.String
})
export interface OpenAiModel extends Schema.Schema.Type<typeof OpenAiModel> {}

export const OpenAiErrorBody = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String,
    type: Schema.String,
    param: Schema.NullOr(Schema.String),
    code: Schema.NullOr(Schema.String)
  })
})

const failures = [400, 401, 403, 404, 422, 500, 502, 503, 504].map((status) =>
  OpenAiErrorBody.pipe(HttpApiSchema.status(status))
)

export const OpenAiApi = HttpApiGroup.make("openai").add(
  HttpApiEndpoint.post("embeddings", "/v1/embeddings", {
    payload: EmbeddingsRequest,
    success: EmbeddingsResponse,
    error: failures
  }),
  HttpApiEndpoint.get("models", "/v1/models", {
    success: Schema.Struct({ object: Schema.Literal("list"), data: Schema.Array(OpenAiModel) }),
    error: failures
  }),
  HttpApiEndpoint.get("model", "/v1/models/:id", {
    params: { id: Schema.String },
    success: OpenAiModel,
    error: failures
  })
)
