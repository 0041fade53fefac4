/**
 * Which Redis the settings mean, if any.
 */
import * as Redacted from "effect/Redacted"
import type { Settings } from "./SettingDefinitions.ts"

/** The URL to connect to: `redis.url`, else one made of host, port and db; undefined without Redis. */
export const redisEndpoint = ({ db, host, port, url }: Settings["redis"]): Redacted.Redacted<string> | undefined => {
  if (url !== undefined) return url
  if (host === undefined) return undefined
  const literal = host.includes(":") ? `[${host}]` : host
  return Redacted.make(`redis://${literal}:${port}/${db}`)
}

/** Whether the connection is encrypted, and the server's certificate checked. */
export const usesTls = (endpoint: Redacted.Redacted<string>): boolean =>
  Redacted.value(endpoint).startsWith("rediss://")
