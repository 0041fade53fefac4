/**
 * Which web pages may call the server through a browser, by the `Origin` header (RFC 6454). Programs send none.
 */
import * as HttpMiddleware from "effect/http/HttpMiddleware"

type Headers = Readonly<Record<string, string | undefined>>

/** What answers say that a page may want to read. */
const exposedHeaders = [
  "Age",
  "ETag",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "Server-Timing",
  "X-Cache",
  "X-Degraded",
  "X-Model-Version",
  "X-Request-Id"
]

/** How long a browser need not ask again, in seconds. */
const preflightAge = 600

/** Tells browsers that these origins' pages may read the answers; keys are sent by the page, never by the browser. */
export const crossOrigin = (origins: ReadonlyArray<string>) =>
  HttpMiddleware.cors({ allowedOrigins: (origin) => origins.includes(origin), exposedHeaders, maxAge: preflightAge })

const hostOf = (origin: string): string | undefined => URL.canParse(origin) ? new URL(origin).host : undefined

const harmless: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"])

/**
 * Whether the page of another origin wants something done. A browser asks nobody before it sends a plain POST or opens a
 * WebSocket: on a server without a key any page that its user visits could do so.
 */
export const isForeign = (method: string, headers: Headers, origins: ReadonlyArray<string>): boolean => {
  const { host, origin, upgrade } = headers
  if (origin === undefined || (harmless.has(method) && upgrade === undefined)) return false
  return !origins.includes(origin) && (host === undefined || hostOf(origin) !== host.toLowerCase())
}
