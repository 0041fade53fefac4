/**
 * What an operator should know of the settings at start, though nothing is wrong with them.
 */
import type { Settings } from "./SettingDefinitions.ts"

const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || host.startsWith("127.")

const redisNotice = (settings: Settings): ReadonlyArray<string> =>
  settings.redis.url !== undefined && settings.redis.host !== undefined
    ? ["REDIS_URL and REDIS_HOST are both set: REDIS_URL is used"]
    : []

/** A key that a failed substitution left blank must not open the server unnoticed. */
const tokenNotice = (settings: Settings, tokenLeftBlank: boolean): ReadonlyArray<string> => {
  if (settings.auth.token !== undefined || settings.auth.keysFile !== undefined) return []
  if (tokenLeftBlank) return ["AUTH_TOKEN is set but empty: requests need no key"]
  return isLoopback(settings.server.host) ? [] : [
    `HOST is ${settings.server.host} and AUTH_TOKEN is not set: whoever can reach the port needs no key`
  ]
}

/** What may surprise of limits: that none holds, and that each process has its own. */
const limitNotices = (settings: Settings): ReadonlyArray<string> => {
  const { rateLimits: { bypass, concurrent, items, perKey, requests, tokens }, redis, server } = settings
  if (bypass) return ["BYPASS_RATE_LIMITS is set: no rate limit holds"]
  const limits = [requests, items, tokens, concurrent, perKey.requests, perKey.items, perKey.tokens, perKey.concurrent]
  const isShared = redis.url !== undefined || redis.host !== undefined
  return server.workers === 1 || isShared || limits.every((limit) => limit === undefined) ? [] : [
    `rate limits are counted by each of ${server.workers} processes for itself: set REDIS_URL to have one count`
  ]
}

/** One sentence each. */
export const settingNotices = (
  settings: Settings,
  tokenLeftBlank: boolean
): ReadonlyArray<string> => [
  ...redisNotice(settings),
  ...tokenNotice(settings, tokenLeftBlank),
  ...limitNotices(settings)
]
