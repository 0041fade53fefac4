/**
 * What an operator should know of the settings at start, though nothing is wrong with them.
 */
import { isLoopback } from "./Loopback.ts"
import type { Settings } from "./SettingDefinitions.ts"

const redisNotice = (settings: Settings): ReadonlyArray<string> =>
  settings.redis.url !== undefined && settings.redis.host !== undefined
    ? ["REDIS_URL and REDIS_HOST are both set: REDIS_URL is used"]
    : []

/** A key that a failed substitution left blank must not open the server unnoticed. */
const tokenNotice = (settings: Settings, tokenLeftBlank: boolean): ReadonlyArray<string> => {
  if (settings.auth.token !== undefined || settings.auth.keysFile !== undefined) return []
  const { host } = settings.server
  if (settings.auth.open && !isLoopback(host)) {
    return [`HOST is ${host} and AUTH_OPEN is true: whoever can reach the port needs no key`]
  }
  const blank = tokenLeftBlank ? "AUTH_TOKEN is set but empty" : undefined
  if (!isLoopback(host)) {
    return [
      `HOST is ${host} and ${blank ?? "AUTH_TOKEN is not set"}: requests need the key that is made for this run; ` +
      "set AUTH_TOKEN to keep one, or AUTH_OPEN=true to need none"
    ]
  }
  return blank === undefined ? [] : [`${blank}: requests need no key`]
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
