/**
 * What the host and a worker say to each other. Both ends are this process, so messages are typed but not validated.
 */
import type { Device, Precision } from "@sluice/domain/ModelInfo"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import type { Probed } from "./ModelProbe.ts"
import type { PluginLine } from "./PluginLog.ts"
import type { WarmupShapes } from "./WarmupBatches.ts"

/** Everything a worker needs to load one instance of a model version. */
export interface LoadSpec {
  /** The plugin's module, as a URL. */
  readonly pluginUrl: string
  readonly model: string
  readonly version: string
  /** The absolute path of the model file. */
  readonly path: string
  readonly device: Device
  readonly precision: Precision
  readonly threads: number
  /** What the registry wants to be run before the version is ready, beside what the plugin does. */
  readonly warmup?: ReadonlyArray<WarmupShapes>
  /** The registry entry's options, not yet decoded by the plugin's schema. */
  readonly options: unknown
}

/** A model that is loaded and warm. What was measured is empty where that was not asked for. */
export interface LoadedModel extends Probed {
  readonly signature: ModelSignature
  readonly warmupMs: number
}

export type ToWorker =
  | {
    readonly _tag: "Load"
    readonly call: number
    readonly instance: number
    readonly spec: LoadSpec
    /** Whether to measure the model when it is warm. */
    readonly measure: boolean
  }
  | { readonly _tag: "Run"; readonly call: number; readonly instance: number; readonly inputs: TensorMap }
  | { readonly _tag: "Release"; readonly call: number; readonly instance: number }
  /** Release everything and end the thread: after what it computes now, for native code must not be cut off. */
  | { readonly _tag: "Stop"; readonly call: number; readonly instance: number }

export type FromWorker =
  | LoadedModel & { readonly _tag: "Loaded"; readonly call: number }
  | { readonly _tag: "Ran"; readonly call: number; readonly outputs: TensorMap; readonly computeMs: number }
  | { readonly _tag: "Released"; readonly call: number }
  | { readonly _tag: "Failed"; readonly call: number; readonly reason: string }
  | PluginLine & { readonly _tag: "Log" }

/**
 * Makes a batch ready to move: each typed array owns its buffer, and the buffers are listed once. A view of a larger
 * buffer is copied, because moving it would take its neighbours along.
 */
export const toTransferable = (
  tensors: TensorMap
): { readonly tensors: TensorMap; readonly buffers: ReadonlyArray<ArrayBuffer> } => {
  const buffers = new Set<ArrayBuffer>()
  const owned = Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      if (!ArrayBuffer.isView(tensor.data)) return [name, tensor]
      const whole = tensor.data.byteLength === tensor.data.buffer.byteLength && !buffers.has(tensor.data.buffer)
      const data = whole ? tensor.data : tensor.data.slice()
      buffers.add(data.buffer)
      return [name, { ...tensor, data }]
    })
  )
  return { tensors: owned, buffers: [...buffers] }
}
