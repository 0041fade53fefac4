import { assert, describe, it } from "@effect/vitest"
import { redisEndpoint } from "@sluice/server/config/RedisEndpoint"
import { rateLimitsOptions } from "@sluice/server/config/ServingSettings"
import type { Variables } from "@sluice/server/config/Settings"
import * as Redacted from "effect/Redacted"
import { complaint, resolve } from "./ResolvedSettings.ts"

describe("settings that do not go together", () => {
  it.each<[string, Readonly<Record<string, string>>, string]>([
    [
      "a certificate without a key",
      { TLS_CERT: "a" },
      "env TLS_CERT: server.tls.cert: server.tls.key (TLS_KEY) is needed"
    ],
    [
      "a key without a certificate",
      { TLS_KEY: "a" },
      "env TLS_KEY: server.tls.key: server.tls.cert (TLS_CERT) is needed"
    ],
    [
      "a CA for a connection that is not encrypted",
      { REDIS_URL: "redis://cache", REDIS_CA: "a" },
      "env REDIS_CA: redis.ca: it takes a rediss:// URL"
    ],
    ["a CA beside a host", { REDIS_HOST: "cache", REDIS_CA: "a" }, "env REDIS_CA: redis.ca: it takes a rediss:// URL"],
    [
      "half a pair for Redis",
      { REDIS_URL: "rediss://c", REDIS_CERT: "a" },
      "redis.key (REDIS_KEY) is needed beside it"
    ],
    ["the other half", { REDIS_URL: "rediss://c", REDIS_KEY: "a" }, "redis.cert (REDIS_CERT) is needed beside it"],
    [
      "one port for two",
      { PORT: "9000", METRICS_PORT: "9000" },
      "telemetry.metrics_port: it is server.port (PORT), too"
    ]
  ])("are refused: %s", (_, env, sentence) => assert.include(complaint({ env }), sentence))

  it.each([
    { TLS_CERT: "a", TLS_KEY: "b" },
    { REDIS_URL: "rediss://cache", REDIS_CA: "a", REDIS_CERT: "b", REDIS_KEY: "c" },
    { REDIS_CA: "a" },
    { PORT: "0", METRICS_PORT: "0" }
  ])("are taken where they do: %o", (env) => assert.isDefined(resolve({ env }).settings))
})

describe("redisEndpoint", () => {
  const endpoint = (env: Variables) => {
    const url = redisEndpoint(resolve({ env }).settings.redis)
    return url === undefined ? undefined : Redacted.value(url)
  }

  it.each([
    [{}, undefined],
    [{ REDIS_PORT: "1", REDIS_DB: "2" }, undefined],
    [{ REDIS_HOST: "cache" }, "redis://cache:6379/0"],
    [{ REDIS_HOST: "::1", REDIS_PORT: "1", REDIS_DB: "2" }, "redis://[::1]:1/2"],
    [{ REDIS_URL: "rediss://u:p@h/3", REDIS_HOST: "cache" }, "rediss://u:p@h/3"]
  ])("of %j is %s", (env, url) => {
    assert.strictEqual(endpoint(env), url)
  })
})

describe("rateLimitsOptions", () => {
  it("has no limits where none is set", () => {
    assert.deepStrictEqual(rateLimitsOptions(resolve({}).settings), {
      global: undefined,
      perKey: undefined,
      fail: "local",
      bypass: false
    })
  })

  it("has those that are set, in YAML or in the environment", () => {
    const given = {
      env: { RATE_LIMIT_CONCURRENT: "7", RATE_LIMIT_PER_KEY_TOKENS: "5000/10 min" },
      yaml: "rate_limits: { requests: 100/s, fail: closed, per_key: { items: 9/h } }\n"
    }
    assert.deepStrictEqual(rateLimitsOptions(resolve(given).settings), {
      global: { requests: { amount: 100, windowMs: 1_000 }, concurrent: 7 },
      perKey: { items: { amount: 9, windowMs: 3_600_000 }, tokens: { amount: 5_000, windowMs: 600_000 } },
      fail: "closed",
      bypass: false
    })
  })

  it("refuses what is no rate", () => {
    assert.strictEqual(
      complaint({ env: { RATE_LIMIT_REQUESTS: "100" } }),
      "environment variable RATE_LIMIT_REQUESTS: expected a rate such as \"100/s\", \"5000/min\" or \"100000/10 min\", " +
        "got \"100\""
    )
  })
})
