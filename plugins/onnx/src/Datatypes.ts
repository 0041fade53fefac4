/**
 * Datatypes as three parties name them: the Open Inference Protocol, onnxruntime, and the ONNX file format.
 */
import type { Datatype, TensorData } from "@sluice/plugin-sdk"
import type { Tensor } from "onnxruntime-node"

/** OIP names by ONNX's `TensorProto.DataType` number; 14 and on have no OIP name. */
export const elementTypes: Readonly<Record<number, Datatype>> = {
  1: "FP32",
  2: "UINT8",
  3: "INT8",
  4: "UINT16",
  5: "INT16",
  6: "INT32",
  7: "INT64",
  8: "BYTES",
  9: "BOOL",
  10: "FP16",
  11: "FP64",
  12: "UINT32",
  13: "UINT64"
}

export const runtimeTypes = {
  BOOL: "bool",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  FP16: "float16",
  FP32: "float32",
  FP64: "float64",
  BYTES: "string"
} as const satisfies Record<Datatype, Tensor.Type>

const datatypes: ReadonlyMap<string, Datatype> = new Map(
  Object.entries(runtimeTypes).map(([datatype, type]) => [type, datatype as Datatype])
)

/** The OIP name of an onnxruntime type; undefined for one that has none, such as int4. */
export const datatypeOf = (type: string): Datatype | undefined => datatypes.get(type)

const views: Readonly<Record<Exclude<Datatype, "BYTES">, (buffer: ArrayBuffer) => TensorData>> = {
  BOOL: (buffer) => new Uint8Array(buffer),
  UINT8: (buffer) => new Uint8Array(buffer),
  UINT16: (buffer) => new Uint16Array(buffer),
  UINT32: (buffer) => new Uint32Array(buffer),
  UINT64: (buffer) => new BigUint64Array(buffer),
  INT8: (buffer) => new Int8Array(buffer),
  INT16: (buffer) => new Int16Array(buffer),
  INT32: (buffer) => new Int32Array(buffer),
  INT64: (buffer) => new BigInt64Array(buffer),
  // The runtime hands out Float16Array where Node has it; ours is the bits
  FP16: (buffer) => new Uint16Array(buffer),
  FP32: (buffer) => new Float32Array(buffer),
  FP64: (buffer) => new Float64Array(buffer)
}

/** The buffer of a view if it is all the view's own, or a copy of its part: what is returned can be transferred. */
const ownBuffer = (view: ArrayBufferView): ArrayBuffer => {
  if (view.buffer instanceof ArrayBuffer && view.byteLength === view.buffer.byteLength) return view.buffer
  const copy = new Uint8Array(view.byteLength)
  copy.set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
  return copy.buffer
}

/** A tensor's data as onnxruntime returned it, under the OIP datatype's array and in a buffer of its own. */
export const fromRuntime = (datatype: Datatype, data: Tensor["data"]): TensorData => {
  if (Array.isArray(data)) return data
  if (datatype === "BYTES") throw new TypeError("onnxruntime returned numbers for a string tensor")
  return views[datatype](ownBuffer(data))
}
