/**
 * A model's answer to one item, in the natural form of its task.
 */
import * as Schema from "effect/Schema"

export const PredictedValue = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])
export type PredictedValue = typeof PredictedValue.Type

export interface Prediction {
  /** The class or the number predicted. */
  readonly prediction?: PredictedValue
  /** Probability by class name. */
  readonly probabilities?: Readonly<Record<string, number>>
  /** An embedding, in the model's own length. */
  readonly embedding?: ReadonlyArray<number> | Float32Array
  /** A model without a task answers with its outputs by name, each flat and row-major. */
  readonly outputs?: Readonly<Record<string, ReadonlyArray<PredictedValue>>>
}
