/**
 * The model repository extension of the Open Inference Protocol V2, as Triton and MLServer speak it.
 */
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { OipErrorBody } from "./OipApi.ts"

export const OipIndexRequest = Schema.Struct({ ready: Schema.optionalKey(Schema.Boolean) })
export interface OipIndexRequest extends Schema.Schema.Type<typeof OipIndexRequest> {}

export const OipIndexEntry = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  state: Schema.Literals(["READY", "UNAVAILABLE", "LOADING", "UNLOADING"]),
  /** Why it is not ready; empty where it is. */
  reason: Schema.String
})
export interface OipIndexEntry extends Schema.Schema.Type<typeof OipIndexEntry> {}

/** Without a version: the default one is loaded, all are unloaded. */
export const OipRepositoryRequest = Schema.Struct({
  parameters: Schema.optionalKey(Schema.Struct({ version: Schema.optionalKey(Schema.String) }))
})
export interface OipRepositoryRequest extends Schema.Schema.Type<typeof OipRepositoryRequest> {}

const failures = [400, 401, 403, 404, 410, 413, 415, 500, 503].map((status) =>
  OipErrorBody.pipe(HttpApiSchema.status(status))
)

const params = { model: Schema.String }

/** The bodies may be left out. */
export const OipRepositoryApi = HttpApiGroup.make("oipRepository").add(
  HttpApiEndpoint.post("index", "/v2/repository/index", {
    payload: OipIndexRequest,
    success: Schema.Array(OipIndexEntry),
    error: failures
  }),
  HttpApiEndpoint.post("load", "/v2/repository/models/:model/load", {
    params,
    payload: OipRepositoryRequest,
    success: Schema.Struct({ name: Schema.String, load: Schema.Boolean }),
    error: failures
  }),
  HttpApiEndpoint.post("unload", "/v2/repository/models/:model/unload", {
    params,
    payload: OipRepositoryRequest,
    success: Schema.Struct({ name: Schema.String, unload: Schema.Boolean }),
    error: failures
  })
)
