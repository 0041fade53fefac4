/**
 * What a call says of the cache, by its body's `use_cache` and its `Cache-Control` (RFC 9111, and `stale-if-error` of
 * RFC 5861). Directives that are not known, or have no whole number of seconds, say nothing.
 */
import type { Freshness } from "@sluice/core/cache/Freshness"
import type { CacheMode } from "@sluice/core/cache/PredictionCache"

export interface CachePolicy {
  readonly cache: CacheMode
  readonly freshness?: Freshness
}

const use: CachePolicy = { cache: "use" }
const bypass: CachePolicy = { cache: "bypass" }

/** Milliseconds of a directive `name=SECONDS`, whose seconds may be quoted. */
const millisecondsOf = (directives: ReadonlyArray<string>, name: string): number | undefined => {
  const given = directives.find((directive) => directive.startsWith(`${name}=`))?.slice(name.length + 1)
  const seconds = given?.replace(/^"(.*)"$/, "$1")
  return seconds !== undefined && /^\d{1,10}$/.test(seconds) ? Number(seconds) * 1000 : undefined
}

/**
 * `no-store` and `use_cache: false` neither read nor keep; `no-cache` computes and keeps. `max-age` takes nothing that was
 * stored longer ago; `stale-if-error` takes nothing longer past its time, where the model's own bound is not less.
 */
export const cachePolicy = (useCache: boolean | undefined, cacheControl: string | undefined): CachePolicy => {
  if (useCache === false || cacheControl === "no-store") return bypass
  if (cacheControl === undefined) return use
  const directives = cacheControl.toLowerCase().split(",").map((part) => part.trim())
  if (directives.includes("no-store")) return bypass
  if (directives.includes("no-cache")) return { cache: "refresh" }
  const maxAgeMs = millisecondsOf(directives, "max-age")
  const staleIfErrorMs = millisecondsOf(directives, "stale-if-error")
  if (maxAgeMs === undefined && staleIfErrorMs === undefined) return use
  return {
    cache: "use",
    freshness: {
      ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
      ...(staleIfErrorMs === undefined ? {} : { staleIfErrorMs })
    }
  }
}
