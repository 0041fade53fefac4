/**
 * The contract between Sluice and a model backend. A plugin is one module whose default export is made by
 * `definePlugin`. The host opens a version's codec on its event loop, and loads its model in a worker.
 */
import type { Item, ItemKind } from "@sluice/domain/Item"
import type { Device, Precision } from "@sluice/domain/ModelInfo"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Prediction } from "@sluice/domain/Prediction"
import type { TensorMap } from "@sluice/domain/Tensor"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { FileReport } from "./FileReport.ts"

export type { FeatureValue, Item, ItemKind } from "@sluice/domain/Item"
export type { Device, Precision } from "@sluice/domain/ModelInfo"
export type { ModelSignature, TensorSpec } from "@sluice/domain/ModelSignature"
export type { PredictedValue, Prediction } from "@sluice/domain/Prediction"
export type { Datatype, Tensor, TensorData, TensorMap } from "@sluice/domain/Tensor"
export type { FileReport } from "./FileReport.ts"

/** `major.minor`. The host refuses a plugin of another major version, or of a later minor than its own. */
export const API_VERSION = "1.0"

/** The model could not be loaded, or a batch could not be computed. `reason` is for operators, never for callers. */
export class PluginError extends Data.TaggedError("PluginError")<{
  readonly reason: string
  readonly cause?: unknown
}> {
  override get message() {
    return this.reason
  }
}

/** An item that the model cannot take. `detail` says what was expected, and is shown to the caller. */
export class InvalidItem extends Data.TaggedError("InvalidItem")<{ readonly detail: string }> {
  override get message() {
    return this.detail
  }
}

/** A model's files, resolved and known to exist. */
export interface ModelFiles {
  /** The file that the registry entry names: an absolute path. */
  readonly path: string
  /** The absolute path of a file beside it, such as `tokenizer.json`, if there is one. */
  readonly beside: (name: string) => string | undefined
}

export interface PluginContext {
  readonly model: string
  readonly version: string
  readonly files: ModelFiles
  readonly device: Device
  readonly precision: Precision
  /** How many threads one run may compute on. */
  readonly threads: number
  readonly log: (level: "debug" | "info" | "warn" | "error", message: string) => void
}

/** A loaded model. The host never calls `run` concurrently for one instance. */
export interface Model {
  readonly signature: ModelSignature
  /**
   * Computes one batch. The host owns the inputs until `run` settles; the plugin owns what it returns until the host
   * transfers it. Every output of a batchable model has the inputs' first dimension. A thread in it must not be
   * terminated, nor the process exited: onnxruntime then aborts the whole process (measured with 1.30).
   */
  readonly run: (inputs: TensorMap) => Effect.Effect<TensorMap, PluginError>
  /** Batches to run before the version is ready; one of zeros in the signature's shape when left out. */
  readonly warmup?: ReadonlyArray<TensorMap>
  /**
   * One row that costs this much by the codec's `cost`, for the host to measure the model with; undefined where the
   * model takes none. Left out, a row of zeros of cost 1 is measured.
   */
  readonly probe?: (cost: number) => TensorMap | undefined
}

/** Between a task's natural values and tensors of one row each, so that all surfaces share them. Pure and synchronous. */
export interface Codec {
  readonly accepts: ReadonlyArray<ItemKind>
  /** One item as tensors whose first dimension is 1. */
  readonly encode: (item: Item) => Result.Result<TensorMap, InvalidItem>
  /** One row of the model's outputs, first dimension 1, as its task's answer. */
  readonly decode: (outputs: TensorMap) => Prediction
  /** What an encoded item costs in a batch: tokens for text; 1 when left out. */
  readonly cost?: (inputs: TensorMap) => number
  /** By input name, what fills a row up to the batch's longest. Inputs not named must be of one shape. */
  readonly padding?: Readonly<Record<string, number>>
}

/** How such a model is best served on a CPU, where neither registry nor configuration says otherwise. */
export interface ServingDefaults {
  /** `cores`: as many instances of one thread as the process has cores. */
  readonly instances: number | "cores"
  readonly threads: number | "cores"
  readonly maxBatchSize: number
  /**
   * Whether models that run in well under a millisecond may run in the server's own thread: a promise that `run` neither
   * blocks for long nor ends its process. False when left out.
   */
  readonly inline: boolean
  /** Whether instances may share a worker with other versions of this plugin: right for models that run in under 1 ms. */
  readonly shareWorker: boolean
}

export interface PluginSpec<Options, Encoded> {
  readonly name: string
  /** What the registry entry's `options` may hold. */
  readonly options: Schema.Codec<Options, Encoded>
  /** Loads the model; its life ends with the scope. Runs in a worker. */
  readonly load: (context: PluginContext, options: Options) => Effect.Effect<Model, PluginError, Scope.Scope>
  /** Opened once a version, when its signature is known; without it items are passed by the signature's shape. */
  readonly codec?: (
    context: PluginContext,
    options: Options,
    signature: ModelSignature
  ) => Effect.Effect<Codec, PluginError, Scope.Scope>
  /** Says why this plugin suits the files of an entry that names none, or undefined. */
  readonly recognise?: (files: ModelFiles) => Effect.Effect<string | undefined, PluginError>
  /** What the file says of itself, for `sluice models inspect`; undefined where it is not of this plugin's format. */
  readonly inspect?: (files: ModelFiles) => Effect.Effect<FileReport | undefined, PluginError>
  readonly serving?: Partial<ServingDefaults>
}

export interface Plugin<Options = unknown, Encoded = unknown> extends PluginSpec<Options, Encoded> {
  readonly apiVersion: string
}

/** Makes a plugin module's default export, stamped with the API version it was written against. */
export const definePlugin = <Options, Encoded>(spec: PluginSpec<Options, Encoded>): Plugin<Options, Encoded> => ({
  ...spec,
  apiVersion: API_VERSION
})
