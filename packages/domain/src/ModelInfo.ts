/**
 * What the platform says of a model version and of itself.
 */
import * as Schema from "effect/Schema"

/** The registry's word on a version. */
export const VersionStatus = Schema.Literals(["active", "candidate", "retired"])
export type VersionStatus = typeof VersionStatus.Type

/** What a version is doing now. */
export const VersionState = Schema.Literals(["unloaded", "loading", "warming", "ready", "failed", "draining"])
export type VersionState = typeof VersionState.Type

export const Precision = Schema.Literals(["fp32", "fp16", "int8"])
export type Precision = typeof Precision.Type

export const Device = Schema.Literals(["cpu", "cuda", "webgpu", "coreml", "dml"])
export type Device = typeof Device.Type

/** Where a version's batches run: on the server's event loop, which suits tiny models, or in workers. */
export const Lane = Schema.Literals(["inline", "worker"])
export type Lane = typeof Lane.Type

export const ModelInfo = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  model_id: Schema.String,
  status: VersionStatus,
  state: VersionState,
  default: Schema.Boolean,
  traffic_percent: Schema.Finite,
  description: Schema.String,
  precision: Precision,
  device: Device,
  plugin: Schema.String,
  /** Why this plugin serves it: the registry names it, or it recognised the files. */
  plugin_reason: Schema.optionalKey(Schema.String),
  /** Of a version that is ready. */
  lane: Schema.optionalKey(Lane)
})
export interface ModelInfo extends Schema.Schema.Type<typeof ModelInfo> {}

export const ModelList = Schema.Struct({ total: Schema.Int, models: Schema.Array(ModelInfo) })
export interface ModelList extends Schema.Schema.Type<typeof ModelList> {}

export const Health = Schema.Struct({ status: Schema.Literal("active"), active_models: Schema.Array(Schema.String) })
export interface Health extends Schema.Schema.Type<typeof Health> {}

/** One part that readiness depends on. A degraded part does not make the server unready. */
export const ReadinessPart = Schema.Struct({
  name: Schema.String,
  status: Schema.Literals(["ready", "degraded", "not_ready"]),
  detail: Schema.optionalKey(Schema.String)
})
export interface ReadinessPart extends Schema.Schema.Type<typeof ReadinessPart> {}

export const Readiness = Schema.Struct({ ready: Schema.Boolean, parts: Schema.Array(ReadinessPart) })
export interface Readiness extends Schema.Schema.Type<typeof Readiness> {}
