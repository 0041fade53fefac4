/**
 * When a new key ends: a duration from now, or a time. Pure.
 */
import { parseDuration } from "@sluice/core/config/DurationText"
import { parseTime } from "@sluice/server/access/KeySchema"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** The time in ISO 8601, or why it is none. A number alone could be days as well as seconds. */
export const readExpiry = (text: string, nowMs: number): { readonly at: string } | { readonly mistake: string } => {
  const duration = /^\d+$/.test(text.trim()) ? Option.none() : parseDuration(text, "seconds")
  const atMs = parseTime(text) ??
    Option.getOrUndefined(Option.map(duration, (after) => nowMs + Duration.toMillis(after)))
  if (atMs === undefined) {
    return { mistake: `--expires: "${text}" is neither a duration such as 90d or 12h, nor a time such as 2027-01-31` }
  }
  if (atMs <= nowMs) return { mistake: `--expires: "${text}" is not in the future` }
  const at = new Date(atMs)
  return Number.isNaN(at.getTime())
    ? { mistake: `--expires: "${text}" is too far away: leave it out for a key that never ends` }
    : { at: at.toISOString() }
}
