/**
 * Compression of a direct route's answers, as Effect's middleware does it for all others (`HttpMiddleware.compression`):
 * the same coding by RFC 9110, section 12.5.3, from the same size on, at the same levels.
 */
import { brotliCompress, constants, deflate, gzip } from "node:zlib"

export type ContentCoding = "br" | "gzip" | "deflate"

/** Shorter answers are not compressed, in bytes. */
export const minCompressedBytes = 1024

const preferred: ReadonlyArray<ContentCoding> = ["br", "gzip", "deflate"]

const member = /^([a-z0-9!#$%&'*+.^_`|~-]+)(?:;q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?$/

/** What the client accepts, by coding; undefined where the header is not well-formed. */
const qualities = (header: string): ReadonlyMap<string, number> | undefined => {
  const accepted = new Map<string, number>()
  for (const part of header.split(",")) {
    const text = part.trim().toLowerCase().replace(/[ \t]*;[ \t]*/g, ";")
    if (text === "") continue
    const match = member.exec(text)
    if (match?.[1] === undefined) return undefined
    accepted.set(match[1], match[2] === undefined ? 1 : Number(match[2]))
  }
  return accepted
}

/** The coding for an `Accept-Encoding`; undefined for none. */
export const chooseCoding = (acceptEncoding: string | undefined): ContentCoding | undefined => {
  const accepted = acceptEncoding === undefined ? undefined : qualities(acceptEncoding)
  return accepted && preferred.find((coding) => (accepted.get(coding) ?? accepted.get("*") ?? 0) > 0)
}

/** Compresses off the event loop. */
export const compress = (
  body: Buffer,
  coding: ContentCoding,
  done: (error: Error | null, compressed: Buffer) => void
): void => {
  switch (coding) {
    case "br": {
      const params = { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: body.length }
      return brotliCompress(body, { params }, done)
    }
    case "gzip":
      return gzip(body, { level: 6 }, done)
    case "deflate":
      return deflate(body, { level: 6 }, done)
  }
}
