/**
 * The Open Inference Protocol V2 over JSON, as KServe, Triton, MLServer and Seldon speak it.
 */
import { Datatype } from "@sluice/domain/Tensor"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"

const Parameters = Schema.Record(Schema.String, Schema.Union([Schema.Finite, Schema.String, Schema.Boolean]))
const Shape = Schema.Array(Schema.Int)

/** More than any runtime takes. */
const maxRank = 32

/** `data` is nested or flat, row-major. */
export const OipInput = Schema.Struct({
  name: Schema.NonEmptyString,
  shape: Schema.Array(Schema.Natural).check(Schema.isMaxLength(maxRank)),
  datatype: Datatype,
  parameters: Schema.optionalKey(Parameters),
  data: Schema.Array(Schema.Unknown)
})
export interface OipInput extends Schema.Schema.Type<typeof OipInput> {}

export const OipInferRequest = Schema.Struct({
  id: Schema.optionalKey(Schema.String),
  parameters: Schema.optionalKey(Parameters),
  inputs: Schema.NonEmptyArray(OipInput),
  outputs: Schema.optionalKey(
    Schema.Array(Schema.Struct({ name: Schema.NonEmptyString, parameters: Schema.optionalKey(Parameters) }))
  )
})
export interface OipInferRequest extends Schema.Schema.Type<typeof OipInferRequest> {}

export const OipInferResponse = Schema.Struct({
  model_name: Schema.String,
  model_version: Schema.String,
  id: Schema.optionalKey(Schema.String),
  /** `degraded`: how it came about, where it is not the answer of the version that was asked. */
  parameters: Schema.optionalKey(Parameters),
  outputs: Schema.Array(
    Schema.Struct({ name: Schema.String, shape: Shape, datatype: Datatype, data: Schema.Array(Schema.Unknown) })
  )
})
export interface OipInferResponse extends Schema.Schema.Type<typeof OipInferResponse> {}

const TensorMetadata = Schema.Struct({ name: Schema.String, datatype: Datatype, shape: Shape })

export const OipModelMetadata = Schema.Struct({
  name: Schema.String,
  versions: Schema.Array(Schema.String),
  platform: Schema.String,
  inputs: Schema.Array(TensorMetadata),
  outputs: Schema.Array(TensorMetadata)
})
export interface OipModelMetadata extends Schema.Schema.Type<typeof OipModelMetadata> {}

export const OipServerMetadata = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  extensions: Schema.Array(Schema.String)
})

/** V2's own error shape. */
export const OipErrorBody = Schema.Struct({ error: Schema.String })

const failures = [400, 401, 403, 404, 422, 500, 502, 503, 504].map((status) =>
  OipErrorBody.pipe(HttpApiSchema.status(status))
)

const Live = Schema.Struct({ live: Schema.Boolean })
const Ready = Schema.Struct({ ready: Schema.Boolean })
const NotReady = Ready.pipe(HttpApiSchema.status(503))
const ModelReady = Schema.Struct({ name: Schema.String, ready: Schema.Boolean })
const ModelNotReady = ModelReady.pipe(HttpApiSchema.status(503))

const model = { model: Schema.String }
const modelVersion = { model: Schema.String, version: Schema.String }

export const OipApi = HttpApiGroup.make("oip").add(
  HttpApiEndpoint.get("server", "/v2", { success: OipServerMetadata, error: failures }),
  HttpApiEndpoint.get("live", "/v2/health/live", { success: Live }),
  HttpApiEndpoint.get("ready", "/v2/health/ready", { success: Ready, error: NotReady }),
  HttpApiEndpoint.get("metadata", "/v2/models/:model", { params: model, success: OipModelMetadata, error: failures }),
  HttpApiEndpoint.get("versionMetadata", "/v2/models/:model/versions/:version", {
    params: modelVersion,
    success: OipModelMetadata,
    error: failures
  }),
  HttpApiEndpoint.get("modelReady", "/v2/models/:model/ready", {
    params: model,
    success: ModelReady,
    error: [ModelNotReady, ...failures]
  }),
  HttpApiEndpoint.get("versionReady", "/v2/models/:model/versions/:version/ready", {
    params: modelVersion,
    success: ModelReady,
    error: [ModelNotReady, ...failures]
  }),
  HttpApiEndpoint.post("infer", "/v2/models/:model/infer", {
    params: model,
    payload: OipInferRequest,
    success: OipInferResponse,
    error: failures
  }),
  HttpApiEndpoint.post("versionInfer", "/v2/models/:model/versions/:version/infer", {
    params: modelVersion,
    payload: OipInferRequest,
    success: OipInferResponse,
    error: failures
  })
)
