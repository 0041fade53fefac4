/**
 * What an entry is good for: to answer as if it had been computed now, to stand in for a model that cannot answer, or
 * neither. Pure; times are epoch milliseconds.
 */
import { decodeItemOutput, type StoredOutput } from "./ItemOutputCodec.ts"

/** What a caller accepts, by RFC 9111 (`max-age`) and RFC 5861 (`stale-if-error`). */
export interface Freshness {
  /** Entries that were stored longer ago are computed anew. */
  readonly maxAgeMs?: number
  /** For how long past its time an entry may stand in for a model that cannot answer. */
  readonly staleIfErrorMs?: number
}

export interface Judged {
  readonly stored: StoredOutput
  readonly fresh: boolean
}

const anything: Freshness = {}

/** Undefined for bytes that cannot be read and for entries that are too old for anything. */
export const judge = (
  key: string,
  value: Uint8Array | undefined,
  now: number,
  { maxAgeMs = Infinity, staleIfErrorMs = 0 }: Freshness = anything
): Judged | undefined => {
  const stored = value && decodeItemOutput(key, value)
  if (stored === undefined) return undefined
  const { freshUntil, storedAt } = stored.times
  const pastMs = Math.max(now - freshUntil, now - storedAt - maxAgeMs)
  const fresh = pastMs < 0 || (pastMs === 0 && now < freshUntil)
  return fresh || pastMs < staleIfErrorMs ? { stored, fresh } : undefined
}
