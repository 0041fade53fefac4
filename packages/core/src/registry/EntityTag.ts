/**
 * Entity tags (RFC 9110, sections 8.8.3 and 13.1.1): which text somebody saw, and whether that is still the one. Pure.
 */
import { createHash } from "node:crypto"

/** A strong tag of these bytes: their SHA-256, in quotes. */
export const entityTagOf = (content: string | Uint8Array): string =>
  `"${createHash("sha256").update(content).digest("hex")}"`

const listed = /(?:W\/)?"[^"]*"/g

/** The tags that an `If-Match` header lists, or `*` for any; undefined where it is not of that form. */
export const parseIfMatch = (header: string): "*" | ReadonlyArray<string> | undefined => {
  const text = header.trim()
  if (text === "*") return "*"
  const rest = text.replaceAll(listed, "").replaceAll(/[\s,]/g, "")
  const tags = text.match(listed)
  return tags === null || rest !== "" ? undefined : tags
}

/** Whether the condition holds for this tag. A weak tag matches nothing, by the strong comparison that is asked for. */
export const matchesTag = (header: string, tag: string): boolean => {
  const tags = parseIfMatch(header)
  return tags === "*" || (tags ?? []).includes(tag)
}
