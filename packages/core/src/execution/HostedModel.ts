/**
 * A version's loaded instances as the Batcher sees them: plain calls, for thousands of batches a second pass here.
 */
import type { InstanceLost, ModelFailed } from "@sluice/domain/Errors"
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { TensorMap } from "@sluice/domain/Tensor"
import type * as Result from "effect/Result"

/** What a batch gave. */
export interface Ran {
  readonly outputs: TensorMap
  /** Time in the plugin's `run`, in milliseconds. */
  readonly computeMs: number
}

export type RunError = ModelFailed | InstanceLost

export type RunResult = Result.Result<Ran, RunError>

/** One loaded, warm copy of the model. Batches that it is given run one after another, in their order. */
export interface Instance {
  readonly alive: () => boolean
  /** It computes on the event loop itself: right for models that take less time than the hop to a worker. */
  readonly inline: boolean
  /**
   * Computes one batch; the inputs' buffers are moved away, whatever comes of it. `settle` is called exactly once, never
   * before `run` has returned, and must not throw.
   */
  readonly run: (inputs: TensorMap, settle: (result: RunResult) => void) => void
}

export interface HostedModel {
  readonly signature: ModelSignature
  /** The living instances that batches may be given to now; empty while all are being replaced. */
  readonly instances: () => ReadonlyArray<Instance>
  /** What runs of the model took at warm-up: padded cost, and milliseconds. */
  readonly seeds?: ReadonlyArray<{ readonly cost: number; readonly ms: number }>
  /** Calls the listener whenever `instances` would answer otherwise than before. One listener only: the Batcher. */
  readonly onChange: (listener: () => void) => void
}
