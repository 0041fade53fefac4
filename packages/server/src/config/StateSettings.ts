/**
 * Settings of what is kept: answers, state, and the Redis that shares them.
 */
import * as Duration from "effect/Duration"
import { setting } from "./Setting.ts"
import * as Type from "./SettingType.ts"

const mebibyte = 1024 * 1024
const host = Type.text("a host name or an IP address", /^[A-Za-z0-9._:-]+$/)

export const stateSettings = {
  state: {
    directory: setting({
      env: "SLUICE_STATE_DIR",
      type: Type.optional(Type.path),
      default: undefined,
      meaning:
        "The folder where the server keeps the registry that served last, and how far rollouts have come, unless there " +
        "is Redis. Unset is sluice in XDG_STATE_HOME, else in ~/.local/state. Losing it begins every rollout anew, and " +
        "leaves a start whose registry file is wrong nothing to go on with."
    })
  },
  cache: {
    enabled: setting({
      env: "CACHE_ENABLED",
      type: Type.boolean,
      default: true,
      meaning: "Whether answers are kept and given again for the same item. Off computes every request anew."
    }),
    ttl: setting({
      env: "REDIS_CACHE_TTL",
      type: Type.duration("seconds", Duration.days(365)),
      default: Duration.hours(1),
      unit: "s",
      meaning:
        "How long an answer is kept, in memory and in Redis. Longer hits more often and holds more memory; a new " +
        "version of a model never sees the old one's answers, whatever this is."
    }),
    maxBytes: setting({
      env: "CACHE_MAX_BYTES",
      type: Type.bytes(0, 1024 * 1024 * mebibyte),
      default: 64 * mebibyte,
      unit: "bytes",
      meaning:
        "How much memory the answers kept in this process may take; the least recently used go first. With Redis it is " +
        "the tier in front: more answers without a way to Redis, 0 asks Redis each time."
    }),
    timeBudget: setting({
      env: "CACHE_TIME_BUDGET",
      type: Type.duration("milliseconds", Duration.seconds(60)),
      default: Duration.millis(50),
      unit: "ms",
      meaning:
        "How long a request waits for Redis before it computes without. Less bounds the harm of a slow Redis; too " +
        "little misses answers that it has."
    })
  },
  redis: {
    url: setting({
      env: "REDIS_URL",
      type: Type.optional(Type.redisUrl),
      default: undefined,
      meaning:
        "The Redis that keeps answers for several servers and across restarts, with user and password if it wants " +
        "them; rediss:// uses TLS. Unset, with redis.host unset too, keeps answers in this process only."
    }),
    host: setting({
      env: "REDIS_HOST",
      type: Type.optional(host),
      default: undefined,
      meaning: "The Redis server's host, where redis.url is not set."
    }),
    port: setting({
      env: "REDIS_PORT",
      type: Type.integer(1, 65_535),
      default: 6379,
      meaning: "The Redis server's port, beside redis.host."
    }),
    db: setting({
      env: "REDIS_DB",
      type: Type.integer(0, 1_000_000),
      default: 0,
      meaning: "The number of the Redis database, beside redis.host. Another number keeps two installations apart."
    }),
    ca: setting({
      env: "REDIS_CA",
      type: Type.optional(Type.path),
      default: undefined,
      meaning:
        "The certificates, in PEM, of who may sign the Redis server's own. It needs a rediss:// URL. Unset trusts those that " +
        "Node trusts; a certificate of nobody trusted is refused in any case."
    }),
    cert: setting({
      env: "REDIS_CERT",
      type: Type.optional(Type.path),
      default: undefined,
      meaning:
        "The certificate, in PEM, that this server shows to a Redis that asks its clients for one; with redis.key."
    }),
    key: setting({
      env: "REDIS_KEY",
      type: Type.optional(Type.path),
      default: undefined,
      meaning: "The private key of redis.cert, in PEM."
    })
  }
}
