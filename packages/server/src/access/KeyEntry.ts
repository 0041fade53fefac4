/**
 * One key of the keys file, as the server sees it: what is kept of its secret, who brings it, and until when it holds.
 */
import type { ScryptHash } from "./KeySecret.ts"
import type { Principal } from "./Principal.ts"

/** What is kept of a secret: the SHA-256 in lower-case hex, or scrypt's hash. */
export type KeyProof =
  | { readonly type: "sha256"; readonly digest: string }
  | { readonly type: "scrypt"; readonly hash: ScryptHash }

export interface KeyEntry {
  readonly principal: Principal
  readonly proof: KeyProof
  /** From when on it no longer holds, in milliseconds since 1970; undefined is never. */
  readonly expiresMs: number | undefined
  /** Whether it was taken back, whenever that was. */
  readonly revoked: boolean
  readonly description: string
}

export type KeyState = "active" | "expired" | "revoked"

export const keyState = ({ expiresMs, revoked }: KeyEntry, nowMs: number): KeyState =>
  revoked ? "revoked" : expiresMs !== undefined && nowMs >= expiresMs ? "expired" : "active"
