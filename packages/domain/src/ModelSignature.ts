/**
 * What a model takes and gives: names, datatypes and shapes.
 */
import * as Schema from "effect/Schema"
import { Datatype } from "./Tensor.ts"

/** A dimension's size; -1 where it may vary. The first dimension of a batchable tensor is the batch. */
export const Dimension = Schema.Int

export const TensorSpec = Schema.Struct({
  name: Schema.NonEmptyString,
  datatype: Datatype,
  shape: Schema.Array(Dimension)
})
export interface TensorSpec extends Schema.Schema.Type<typeof TensorSpec> {}

/** `batchable`: every input and output has the batch as its first dimension, and rows do not depend on each other. */
export const ModelSignature = Schema.Struct({
  inputs: Schema.Array(TensorSpec),
  outputs: Schema.Array(TensorSpec),
  batchable: Schema.Boolean
})
export interface ModelSignature extends Schema.Schema.Type<typeof ModelSignature> {}
