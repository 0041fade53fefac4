/**
 * Tensors: typed, shaped, row-major arrays, under the datatype names of the Open Inference Protocol V2.
 */
import * as Schema from "effect/Schema"

/** Open Inference Protocol V2, "Tensor Data Types". */
export const Datatype = Schema.Literals([
  "BOOL",
  "UINT8",
  "UINT16",
  "UINT32",
  "UINT64",
  "INT8",
  "INT16",
  "INT32",
  "INT64",
  "FP16",
  "FP32",
  "FP64",
  "BYTES"
])
export type Datatype = typeof Datatype.Type

/** FP16 values are their IEEE 754 half-precision bits; BOOL is 0 or 1; BYTES elements are text. */
export type TensorData =
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | ReadonlyArray<string>

export interface Tensor {
  readonly datatype: Datatype
  readonly shape: ReadonlyArray<number>
  readonly data: TensorData
}

/** Tensors by the input or output name of a model's signature. */
export type TensorMap = Readonly<Record<string, Tensor>>
