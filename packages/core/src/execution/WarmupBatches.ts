/**
 * What a version runs before it is ready, and what its answers must be: numbers. Pure.
 */
import type { ModelSignature } from "@sluice/domain/ModelSignature"
import type { Datatype, Tensor, TensorData, TensorMap } from "@sluice/domain/Tensor"
import { signatureMismatch } from "@sluice/plugin-sdk/SignatureCheck"
import { elementCount, emptyData } from "@sluice/plugin-sdk/TensorRows"
import * as Result from "effect/Result"

/** The shape of each input of one batch, by its name. */
export type WarmupShapes = Readonly<Record<string, ReadonlyArray<number>>>

/** A registry's slip of a digit would take all memory: as many elements have the largest inputs that we know of. */
const mostElements = 64 * 1024 * 1024

/** Ones: a token and an attention mask may be 1, and a vector of ones has a length. */
const ones = (datatype: Datatype, count: number): TensorData => {
  const data = emptyData(datatype, count)
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return data.fill(1n)
  if (isTexts(data)) return data.map(() => "warm-up")
  return data.fill(datatype === "FP16" ? halfOne : 1)
}

/** 1 in half precision. */
const halfOne = 0x3c00

const isTexts = (data: TensorData): data is ReadonlyArray<string> => Array.isArray(data)

/** Batches of ones in the shapes that the registry asks for, or what is wrong with those. */
export const warmupBatches = (
  signature: ModelSignature,
  shapes: ReadonlyArray<WarmupShapes>
): Result.Result<ReadonlyArray<TensorMap>, string> => {
  const batches: Array<TensorMap> = []
  for (const [index, batch] of shapes.entries()) {
    const tensors: Record<string, Tensor> = {}
    for (const [name, shape] of Object.entries(batch)) {
      const datatype = signature.inputs.find((input) => input.name === name)?.datatype ?? "FP32"
      const count = elementCount(shape)
      if (count > mostElements) return Result.fail(`warmup.${index}.${name}: ${count} elements are too many to run`)
      tensors[name] = { datatype, shape, data: ones(datatype, count) }
    }
    const mismatch = signatureMismatch("input", signature.inputs, tensors)
    if (mismatch !== undefined) return Result.fail(`warmup.${index}: ${mismatch}`)
    batches.push(tensors)
  }
  return Result.succeed(batches)
}

const isFiniteHalf = (bits: number): boolean => (bits & 0x7c00) !== 0x7c00

const hasNoNumber = ({ data, datatype }: Tensor): boolean => {
  if (data instanceof Float32Array || data instanceof Float64Array) return data.some((value) => !Number.isFinite(value))
  return datatype === "FP16" && data instanceof Uint16Array && data.some((bits) => !isFiniteHalf(bits))
}

/** The first output that holds NaN or an infinity. */
export const outputWithoutNumber = (outputs: TensorMap): string | undefined =>
  Object.keys(outputs).find((name) => hasNoNumber(outputs[name]!))
