/**
 * Memory for the tensors of small requests, many to an allocation: a buffer of its own for each costs a microsecond, most
 * of it in the garbage collector. Whoever moves a batch to a worker copies views of larger buffers, so none is taken along.
 */

const slabBytes = 16_384

/** Larger arrays get a buffer of their own. */
const maxBytes = 1024

let slab = new ArrayBuffer(slabBytes)
let used = 0

const take = (bytes: number): number => {
  // Every datatype's alignment divides eight.
  const size = (bytes + 7) & ~7
  if (used + size > slabBytes) {
    slab = new ArrayBuffer(slabBytes)
    used = 0
  }
  const offset = used
  used += size
  return offset
}

export const makeFloat32 = (length: number): Float32Array<ArrayBuffer> => {
  if (length * 4 > maxBytes) return new Float32Array(length)
  const offset = take(length * 4)
  return new Float32Array(slab, offset, length)
}

export const makeFloat64 = (length: number): Float64Array<ArrayBuffer> => {
  if (length * 8 > maxBytes) return new Float64Array(length)
  const offset = take(length * 8)
  return new Float64Array(slab, offset, length)
}

export const makeInt64 = (length: number): BigInt64Array<ArrayBuffer> => {
  if (length * 8 > maxBytes) return new BigInt64Array(length)
  const offset = take(length * 8)
  return new BigInt64Array(slab, offset, length)
}
