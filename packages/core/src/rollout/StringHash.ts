/**
 * MurmurHash3 (Austin Appleby, 2011; `MurmurHash3_x86_32`) of a text: a well-mixed number without a cryptographic object
 * a call. It reads UTF-16 code units, two to a block, so any text has a hash, unpaired surrogates included.
 */

const scramble = (block: number): number => {
  const product = Math.imul(block, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}

/** 0 to 2^32 - 1. Hashes of one text under different seeds are independent for all that routing asks of them. */
export const hashString = (text: string, seed: number): number => {
  const { length } = text
  const even = length & ~1
  let hash = seed
  for (let i = 0; i < even; i += 2) {
    hash ^= scramble(text.charCodeAt(i) | (text.charCodeAt(i + 1) << 16))
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0
  }
  if (even < length) hash ^= scramble(text.charCodeAt(even))
  // The length is counted in bytes, as the reference does.
  hash ^= length * 2
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
