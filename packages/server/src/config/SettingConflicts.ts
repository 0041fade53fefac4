/**
 * Settings that are each right and do not go together. Pure.
 */
import type { ConfigMistake } from "@sluice/core/config/ConfigError"
import { redisEndpoint, usesTls } from "./RedisEndpoint.ts"
import type { EffectiveSetting } from "./Setting.ts"
import type { Settings } from "./SettingDefinitions.ts"

/** By key, what is wrong with a setting beside the others. */
const conflicts = (settings: Settings): Readonly<Record<string, string | undefined>> => {
  const { redis, server: { port, tls }, telemetry } = settings
  const endpoint = redisEndpoint(redis)
  const plainRedis = endpoint !== undefined && !usesTls(endpoint)
  const needsTls = plainRedis ? "it takes a rediss:// URL in redis.url (REDIS_URL)" : undefined
  return {
    "server.tls.cert": tls.cert !== undefined && tls.key === undefined
      ? "server.tls.key (TLS_KEY) is needed beside it"
      : undefined,
    "server.tls.key": tls.key !== undefined && tls.cert === undefined
      ? "server.tls.cert (TLS_CERT) is needed beside it"
      : undefined,
    "redis.ca": redis.ca === undefined ? undefined : needsTls,
    "redis.cert": redis.cert === undefined
      ? undefined
      : redis.key === undefined
      ? "redis.key (REDIS_KEY) is needed beside it"
      : needsTls,
    "redis.key": redis.key !== undefined && redis.cert === undefined
      ? "redis.cert (REDIS_CERT) is needed beside it"
      : undefined,
    "telemetry.metrics_port": port !== 0 && telemetry.metricsPort === port
      ? "it is server.port (PORT), too: it needs a port of its own"
      : undefined
  }
}

export const settingConflicts = (
  settings: Settings,
  effective: ReadonlyArray<EffectiveSetting>
): ReadonlyArray<ConfigMistake> => {
  const problems = conflicts(settings)
  return effective.flatMap(({ key, source }) => {
    const problem = problems[key]
    return problem === undefined ? [] : [{ source, field: key, problem }]
  })
}
