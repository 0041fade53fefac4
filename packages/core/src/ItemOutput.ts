/**
 * What the model computed for one item: the unit that batches are split into and that the cache keeps.
 */
import type { TensorMap } from "@sluice/domain/Tensor"

export interface ItemOutput {
  /** One row of the model's outputs; every first dimension is 1. */
  readonly outputs: TensorMap
  /** What the item cost in its batch: tokens for text, 1 by default. */
  readonly cost: number
}
