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
  /** It uses every core: for a lone row while no other instance computes. */
  readonly solo?: boolean
  /**
   * Computes one batch; the inputs' buffers are moved away, whatever comes of it. `settle` is called exactly once, never
   * before `run` has returned, and must not throw.
   */
  readonly run: (inputs: TensorMap, settle: (result: RunResult) => void) => void
}

/** A measured run: its cost (rows × the cost of each) and the least time it took, in milliseconds. */
export interface Seed {
  readonly cost: number
  readonly ms: number
}

/** One row to measure the model with, and what it costs. */
export interface ProbeRow {
  readonly cost: number
  readonly inputs: TensorMap
}

export interface HostedModel {
  readonly signature: ModelSignature
  /** What runs took at warm-up, the first of them of one row of the least cost. */
  readonly seeds?: ReadonlyArray<Seed>
  /** The rows that it was measured with, the least costly first. */
  readonly probes?: ReadonlyArray<ProbeRow>
  /** The living instances that batches may be given to now; empty while all are being replaced. */
  readonly instances: () => ReadonlyArray<Instance>
  /** Calls the listener whenever `instances` would answer otherwise than before. One listener only: the Batcher. */
  readonly onChange: (listener: () => void) => void
}
