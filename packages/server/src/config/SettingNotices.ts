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
  if (settings.auth.token !== undefined) return []
  if (tokenLeftBlank) return ["AUTH_TOKEN is set but empty: requests need no key"]
  return isLoopback(settings.server.host) ? [] : [
    `HOST is ${settings.server.host} and AUTH_TOKEN is not set: whoever can reach the port needs no key`
  ]
}

/** One sentence each. */
export const settingNotices = (
  settings: Settings,
  tokenLeftBlank: boolean
): ReadonlyArray<string> => [
  ...redisNotice(settings),
  ...tokenNotice(settings, tokenLeftBlank)
]
