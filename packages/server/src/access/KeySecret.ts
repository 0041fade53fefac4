/**
 * The secrets themselves: how a key is made, and what is kept of it. A key is 32 random bytes, so that its SHA-256 tells
 * nothing of it; scrypt (RFC 7914) is for secrets that people chose.
 */
import * as Effect from "effect/Effect"
import { hash, randomBytes, scrypt, timingSafeEqual } from "node:crypto"

/** The SHA-256 of a key, in lower-case hex: what keys are looked up by. */
export const keyDigest = (key: string): string => hash("sha256", key, "hex")

/** By which people and scanners of leaked secrets recognise a key. */
const prefix = "slc_"

const secretBytes = 32

/** A new key. One that is checked by scrypt begins with its id, which says by which entry. */
export const makeKey = (id: string | undefined): string =>
  `${prefix}${id === undefined ? "" : `${id}.`}${randomBytes(secretBytes).toString("base64url")}`

const withId = /^slc_([A-Za-z0-9][A-Za-z0-9_-]{0,63})\../

/** The id that a key begins with. */
export const idOfKey = (key: string): string | undefined => withId.exec(key)?.[1]

export interface ScryptHash {
  /** What the work costs: a power of 2. The memory is 128 × cost × blockSize bytes. */
  readonly cost: number
  readonly blockSize: number
  readonly parallelization: number
  readonly salt: Buffer
  readonly hash: Buffer
}

export const scryptExpectation = "scrypt$N$r$p$salt$hash: N a power of 2 from 1024, at most 256 MiB of memory " +
  "(128 × N × r), p from 1 to 16, salt and hash of 16 to 64 bytes in base64"

const form = /^scrypt\$(\d{1,7})\$(\d{1,3})\$(\d{1,2})\$([A-Za-z0-9+/_-]{22,88})={0,2}\$([A-Za-z0-9+/_-]{22,88})={0,2}$/

const mostMemory = 256 * 1024 * 1024

const memoryOf = ({ blockSize, cost }: Pick<ScryptHash, "cost" | "blockSize">): number => 128 * cost * blockSize

const isSize = ({ length }: Buffer): boolean => length >= 16 && length <= 64

/** Undefined where the text is none, or asks for work that no check should take. */
export const parseScrypt = (text: string): ScryptHash | undefined => {
  const [, n, r, p, saltText = "", hashText = ""] = form.exec(text) ?? []
  if (n === undefined) return undefined
  const salt = Buffer.from(saltText, "base64")
  const hash = Buffer.from(hashText, "base64")
  const parsed = { cost: Number(n), blockSize: Number(r), parallelization: Number(p), salt, hash }
  const { blockSize, cost, parallelization } = parsed
  const isPowerOf2 = Number.isInteger(Math.log2(cost))
  const isAllowed = isPowerOf2 && cost >= 1024 && blockSize >= 1 && memoryOf(parsed) <= mostMemory &&
    parallelization >= 1 && parallelization <= 16 && isSize(salt) && isSize(hash)
  return isAllowed ? parsed : undefined
}

const derive = (
  key: string,
  { blockSize, cost, hash, parallelization, salt }: ScryptHash
): Effect.Effect<Buffer> =>
  Effect.callback((resume) => {
    // Twice what the algorithm needs, since Node refuses what is exactly at the limit.
    const options = { N: cost, r: blockSize, p: parallelization, maxmem: 2 * memoryOf({ cost, blockSize }) }
    scrypt(key, salt, hash.length, options, (error, derived) => {
      resume(error === null ? Effect.succeed(derived) : Effect.die(error))
    })
  })

/** Whether the key is the one that was hashed. Some tenths of a second of one of Node's four background threads. */
export const matchesScrypt = (key: string, expected: ScryptHash): Effect.Effect<boolean> =>
  Effect.map(derive(key, expected), (derived) => timingSafeEqual(derived, expected.hash))

/** OWASP's figures for 32 MiB (Password Storage Cheat Sheet). */
const usual = { cost: 32_768, blockSize: 8, parallelization: 3 }

/** What is kept of a key by scrypt, as `parseScrypt` reads it. */
export const hashByScrypt = Effect.fnUntraced(function*(key: string) {
  const salt = randomBytes(16)
  const derived = yield* derive(key, { ...usual, salt, hash: Buffer.alloc(32) })
  const { blockSize, cost, parallelization } = usual
  return ["scrypt", cost, blockSize, parallelization, salt.toString("base64url"), derived.toString("base64url")].join(
    "$"
  )
})
