/**
 * Embeddings as OpenAI's clients want them: cut and normalised again, as numbers or as base64 of little-endian float32.
 */

/** The first `dimensions` values, of length one again when something was cut; undefined if one is not finite. */
export const cutEmbedding = (
  embedding: ReadonlyArray<number> | Float32Array,
  dimensions: number
): Float32Array | undefined => {
  const values = new Float32Array(embedding.slice(0, dimensions))
  if (!values.every(Number.isFinite)) return undefined
  if (dimensions === embedding.length) return values
  const norm = Math.hypot(...values)
  return norm === 0 ? values : values.map((value) => value / norm)
}

export const embeddingBase64 = (values: Float32Array): string => {
  const view = new DataView(new ArrayBuffer(values.length * 4))
  values.forEach((value, i) => view.setFloat32(i * 4, value, true))
  return Buffer.from(view.buffer).toString("base64")
}
