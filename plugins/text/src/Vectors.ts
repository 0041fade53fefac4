/**
 * Arithmetic on a text model's outputs: floats of any width, pooling, normalisation and probabilities.
 */
import type { Tensor } from "@sluice/plugin-sdk"
import type { Activation } from "./TextOptions.ts"

/** A float tensor's values as FP32; shares memory where they are FP32 already. */
export const floats = (tensor: Tensor): Float32Array<ArrayBuffer> => {
  const { data } = tensor
  if (data instanceof Float32Array) return data
  if (data instanceof Float64Array) return Float32Array.from(data)
  if (data instanceof Uint16Array) {
    return Float32Array.from(new Float16Array(data.buffer, data.byteOffset, data.length))
  }
  throw new TypeError(`expected floats, got ${tensor.datatype}`)
}

/** Mean over the tokens that the mask keeps. `vectors`: [batch, tokens, n]; `mask`: [batch, tokens]; gives [batch, n]. */
export const meanPool = (vectors: Tensor, mask: Tensor): Tensor => {
  const [batch = 0, tokens = 0, width = 0] = vectors.shape
  const values = floats(vectors)
  const pooled = new Float32Array(batch * width)
  for (let row = 0; row < batch; row++) {
    let kept = 0
    for (let token = 0; token < tokens; token++) {
      if (Number(mask.data[row * tokens + token]) === 0) continue
      kept++
      const from = (row * tokens + token) * width
      for (let i = 0; i < width; i++) pooled[row * width + i]! += values[from + i]!
    }
    for (let i = 0; i < width; i++) pooled[row * width + i]! /= Math.max(kept, 1)
  }
  return { datatype: "FP32", shape: [batch, width], data: pooled }
}

/** Rows of Euclidean length 1; a row of zeros stays one. */
export const normaliseRows = (tensor: Tensor): Tensor => {
  const [batch = 0, width = 0] = tensor.shape
  const data = Float32Array.from(floats(tensor))
  for (let row = 0; row < batch; row++) {
    const values = data.subarray(row * width, (row + 1) * width)
    let squares = 0
    for (const value of values) squares += value * value
    const length = Math.sqrt(squares)
    if (length > 0) { for (let i = 0; i < width; i++) values[i]! /= length }
  }
  return { datatype: "FP32", shape: tensor.shape, data }
}

/** Class scores as probabilities. */
export const activate = (scores: Float32Array, activation: Activation): ReadonlyArray<number> => {
  if (activation === "none") return Array.from(scores)
  if (activation === "sigmoid") return Array.from(scores, (score) => 1 / (1 + Math.exp(-score)))
  const highest = Math.max(...scores)
  const weights = Array.from(scores, (score) => Math.exp(score - highest))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight) => weight / sum)
}
