/**
 * Finds the entry of a key that was presented. By its SHA-256: how long a look-up takes tells at most of the digest, of
 * which nobody can make the key.
 */
import { type KeyEntry, keyState } from "./KeyEntry.ts"
import { idOfKey, keyDigest, type ScryptHash } from "./KeySecret.ts"
import type { Principal } from "./Principal.ts"

/** How many keys that scrypt refused are remembered, so that they cost its work once. */
const mostRefused = 1024

/** What must be computed to know a key. */
export interface ScryptTrial {
  readonly key: string
  readonly digest: string
  readonly hash: ScryptHash
  /** Where none is given, the work is done for nothing: an id that is known takes no longer than one that is not. */
  readonly entry: KeyEntry | undefined
}

export class Keyring {
  readonly #byDigest = new Map<string, KeyEntry>()
  readonly #byId = new Map<string, Omit<ScryptTrial, "key" | "digest">>()
  readonly #refused = new Set<string>()

  constructor(entries: ReadonlyArray<KeyEntry>) {
    for (const entry of entries) {
      const { principal, proof } = entry
      if (proof.type === "sha256") this.#byDigest.set(proof.digest, entry)
      else this.#byId.set(principal.id, { hash: proof.hash, entry })
    }
  }

  /** Who brings this key at this time, where that can be told without scrypt. */
  holder(key: string, nowMs: () => number): Principal | undefined {
    const entry = this.#byDigest.get(keyDigest(key))
    if (entry === undefined) return undefined
    // Most keys never expire, and need not know the time.
    const isActive = entry.expiresMs === undefined ? !entry.revoked : keyState(entry, nowMs()) === "active"
    return isActive ? entry.principal : undefined
  }

  /** What is left to try for a key that has no holder; undefined where that is nothing. */
  trial(key: string): ScryptTrial | undefined {
    const id = this.#byId.size === 0 ? undefined : idOfKey(key)
    if (id === undefined) return undefined
    const digest = keyDigest(key)
    if (this.#byDigest.has(digest) || this.#refused.has(digest)) return undefined
    const known = this.#byId.get(id)
    if (known !== undefined) return { ...known, key, digest }
    const [first] = this.#byId.values()
    return first === undefined ? undefined : { hash: first.hash, entry: undefined, key, digest }
  }

  /** Remembers what came of a trial, for as long as this ring is the one that holds. */
  learn({ digest, entry }: ScryptTrial, matches: boolean): void {
    if (matches && entry !== undefined) {
      this.#byDigest.set(digest, entry)
      return
    }
    this.#refused.add(digest)
    const [oldest] = this.#refused
    if (this.#refused.size > mostRefused && oldest !== undefined) this.#refused.delete(oldest)
  }
}
