import { assert, describe, it } from "@effect/vitest"
import { parseYaml } from "@sluice/core/config/YamlDocument"
import { redisEndpoint } from "@sluice/server/config/RedisEndpoint"
import { placedSettings } from "@sluice/server/config/Settings"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { inspect } from "node:util"
import { complaint, type Given, resolve, row } from "./ResolvedSettings.ts"

describe("the settings", () => {
  it("have the environment names that are promised", () => {
    const promised =
      "HOST PORT WORKERS API_V1_STR CACHE_ENABLED REDIS_URL REDIS_HOST REDIS_PORT REDIS_DB REDIS_CACHE_TTL " +
      "AUTH_TOKEN MODEL_CACHE_SIZE BATCH_SIZE BATCH_WINDOW LOG_LEVEL ENABLE_METRICS ENABLE_TRACING PRECISION DEVICE " +
      "SLUICE_CONFIG MODEL_REGISTRY"
    assert.includeMembers(placedSettings.map(({ setting }) => setting.env), promised.split(" "))
  })

  it("each have a key, a name, a type and a meaning of their own", () => {
    for (const pick of ["key", "env", "meaning"] as const) {
      const texts = placedSettings.map(({ key, setting }) => pick === "key" ? key : setting[pick])
      assert.strictEqual(new Set(texts).size, texts.length, pick)
    }
    for (const { key, setting } of placedSettings) {
      assert.match(setting.meaning, /^[A-Z].{20,}\.$/, key)
      assert.match(key, /^[a-z][a-z_.]*$/, key)
    }
  })

  it("have defaults that their own types read back", () => {
    for (const { key, setting } of placedSettings) {
      if (setting.default === undefined) continue
      const printed = setting.type.print(setting.default)
      const again = setting.type.parse(printed)
      assert.strictEqual(again._tag === "Some" ? setting.type.print(again.value) : undefined, printed, key)
    }
  })
})

describe("resolveSettings", () => {
  it("gives the defaults where nothing is set", () => {
    const { notices, settings, table } = resolve({})
    assert.deepStrictEqual(settings.server, {
      host: "127.0.0.1",
      port: 8000,
      workers: 1,
      apiPrefix: "/api/v1",
      tls: { cert: undefined, key: undefined },
      corsOrigins: undefined
    })
    assert.deepStrictEqual(settings.models, {
      registry: "config/model_registry.yaml",
      store: undefined,
      cacheSize: undefined,
      memoryBudget: undefined,
      precision: undefined,
      device: "cpu"
    })
    assert.deepStrictEqual(settings.plugins, [
      "@sluice/plugin-text",
      "@sluice/plugin-sklearn-onnx",
      "@sluice/plugin-onnx"
    ])
    assert.deepStrictEqual(settings.batching, { maxBatchSize: undefined, window: Duration.zero, queueCapacity: 1024 })
    assert.deepStrictEqual(settings.limits, {
      maxBodyBytes: 8_388_608,
      headersTimeout: Duration.seconds(15),
      maxConnections: undefined,
      requestTimeout: Duration.seconds(30),
      runTimeout: Duration.seconds(30)
    })
    assert.deepStrictEqual(settings.shutdown, { timeout: Duration.seconds(30), drainDelay: Duration.millis(500) })
    assert.isUndefined(redisEndpoint(settings.redis))
    assert.isTrue(table.every((row) => row.source === "default"))
    assert.deepStrictEqual(notices, [])
  })

  it("prefers the environment to .env to YAML to the default, for any mixture of them", () => {
    const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined })
    fc.assert(fc.property(port, port, port, (env, dotenv, yaml) => {
      const { settings, table } = resolve({
        env: env === undefined ? {} : { PORT: String(env) },
        dotenv: dotenv === undefined ? {} : { PORT: String(dotenv) },
        yaml: yaml === undefined ? "server:\n" : `server:\n  port: ${yaml}\n`
      })
      const [value, source] = env !== undefined
        ? [env, "env PORT"]
        : dotenv !== undefined
        ? [dotenv, ".env PORT"]
        : yaml !== undefined
        ? [yaml, "config/sluice.yaml:2"]
        : [8000, "default"]
      assert.strictEqual(settings.server.port, value)
      assert.strictEqual(table.find((row) => row.key === "server.port")?.source, source)
    }))
  })

  it("takes an empty variable or field for one that is not set", () => {
    const { settings } = resolve({ env: { PORT: "", HOST: " " }, dotenv: { PORT: "9000" }, yaml: "server: { host: }" })
    assert.strictEqual(settings.server.port, 9000)
    assert.strictEqual(settings.server.host, "127.0.0.1")
  })

  it("counts paths in the environment from the working directory, and those in YAML from its file", () => {
    assert.strictEqual(row({ env: { MODEL_REGISTRY: "mine.yaml" } }, "models.registry").value, "mine.yaml")
    assert.strictEqual(row({ yaml: "models: { registry: mine.yaml }" }, "models.registry").value, "config/mine.yaml")
    assert.strictEqual(row({ yaml: "plugins: [./mine.ts, theirs]" }, "plugins").value, "./config/mine.ts, theirs")
  })

  it.each([
    [{ BATCH_WINDOW: "5 millis" }, "batching.window", "5 ms"],
    [{ BATCH_WINDOW: "5" }, "batching.window", "5 ms"],
    [{ REDIS_CACHE_TTL: "60" }, "cache.ttl", "1 min"],
    [{ SHUTDOWN_TIMEOUT: "10s" }, "shutdown.timeout", "10 s"],
    [{ REQUEST_TIMEOUT_MS: "1500" }, "limits.request_timeout", "1500 ms"],
    [{ MAX_BODY_BYTES: "1 MiB" }, "limits.max_body_bytes", "1048576"],
    [{ ENABLE_METRICS: "off" }, "telemetry.metrics", "false"],
    [{ LOG_LEVEL: "DEBUG" }, "telemetry.log_level", "debug"],
    [{ PRECISION: "fp16" }, "models.precision", "fp16"],
    [{ DEVICE: "cuda" }, "models.device", "cuda"],
    [{ API_V1_STR: "/ml/api" }, "server.api_prefix", "/ml/api"],
    [{ HOST: "::" }, "server.host", "::"]
  ])("reads %j", (env, key, value) => {
    assert.strictEqual(row({ env }, key).value, value)
  })

  it.each<[string, Given, string]>([
    [
      "a bad variable",
      { env: { PORT: "80x" } },
      "environment variable PORT: expected a whole number from 0 to 65535, got \"80x\""
    ],
    [
      "a bad line of .env",
      { dotenv: { PORT: "-1" } },
      ".env: PORT: expected a whole number from 0 to 65535, got \"-1\""
    ],
    [
      "a bad field",
      { yaml: "server:\n  port: 65536\n" },
      "config/sluice.yaml:2: server.port: expected a whole number from 0 to 65535, got 65536"
    ],
    [
      "a mistyped choice",
      { env: { LOG_LEVEL: "debgu" } },
      "environment variable LOG_LEVEL: expected \"trace\" | \"debug\" | \"info\" | \"warn\" | \"error\" | \"fatal\" | \"none\", " +
      "got \"debgu\" (did you mean \"debug\"?)"
    ],
    [
      "a mistyped field",
      { yaml: "\nserver: { prot: 1 }" },
      "config/sluice.yaml:2: server.prot: unknown setting (did you mean \"port\"?)"
    ],
    [
      "a mistyped section",
      { yaml: "cahce: {}" },
      "config/sluice.yaml:1: cahce: unknown setting (did you mean \"cache\"?)"
    ],
    [
      "a variable's name in YAML",
      { yaml: "AUTH_TOKEN: x" },
      "config/sluice.yaml:1: AUTH_TOKEN: unknown setting: in YAML that is auth.token"
    ],
    [
      "a field outside its section",
      { yaml: "max_bytes: 5" },
      "config/sluice.yaml:1: max_bytes: unknown setting: in YAML that is cache.max_bytes"
    ],
    [
      "a section that is a value",
      { yaml: "cache: false" },
      "config/sluice.yaml:1: cache: expected a mapping of settings, got false"
    ],
    [
      "what YAML may not set",
      { yaml: "config: { file: x }" },
      "config/sluice.yaml:1: config: unknown setting: the fields here are server, plugins, models, batching, execution, state, cache, " +
      "redis, limits, rate_limits, auth, docs, telemetry, shutdown, breaker"
    ],
    [
      "a list in place of the whole",
      { yaml: "- a" },
      "config/sluice.yaml:1: expected a mapping of settings, got a list"
    ],
    [
      "a prefix that a standard has",
      { env: { API_V1_STR: "/v1" } },
      "environment variable API_V1_STR: expected a path such as /api/v1, without a slash at the end, and not /v1 or /v2, " +
      "which the standards use, got \"/v1\""
    ],
    [
      "what Kubernetes sets unasked",
      { env: { REDIS_PORT: "tcp://10.0.0.7:6379" } },
      "environment variable REDIS_PORT: expected a whole number from 1 to 65535, got a value that is not shown: Kubernetes sets " +
      "this for a Service of that name; set REDIS_PORT yourself, or enableServiceLinks: false"
    ],
    [
      "a duration beyond its bound",
      { env: { BATCH_WINDOW: "2 minutes" } },
      "environment variable BATCH_WINDOW: expected a duration such as \"5 millis\" or \"10s\", or a number of milliseconds, " +
      "at most 1 min, got \"2 minutes\""
    ]
  ])("names the source of %s", (_, given, sentence) => {
    assert.strictEqual(complaint(given), sentence)
  })

  it("lists the mistakes of all sources at once", () => {
    const lines = complaint({ env: { PORT: "x" }, dotenv: { HOST: "a b" }, yaml: "cache:\n  ttl: never\n" }).split("\n")
    assert.deepStrictEqual(lines.map((line) => line.split(": ").slice(0, 2)), [
      [".env", "HOST"],
      ["environment variable PORT", "expected a whole number from 0 to 65535, got \"x\""],
      ["config/sluice.yaml:2", "cache.ttl"]
    ])
  })
})

describe("secrets", () => {
  const secret = fc.stringMatching(/^[A-Za-z0-9]{8,40}$/)

  it("show nowhere in what the settings print", () => {
    fc.assert(fc.property(secret, secret, (token, password) => {
      const resolved = resolve({ env: { AUTH_TOKEN: token, REDIS_URL: `redis://user:${password}@localhost/0` } })
      const shown = `${inspect(resolved, { depth: 9 })}${JSON.stringify(resolved)}${
        String(resolved.settings.auth.token)
      }`
      assert.notInclude(shown, token)
      assert.notInclude(shown, password)
      assert.strictEqual(resolved.settings.auth.token && Redacted.value(resolved.settings.auth.token), token)
    }))
  })

  it("show nowhere in errors, whichever source has them", () => {
    fc.assert(fc.property(secret, (text) => {
      const bad = `${text} ${text}`
      for (const name of ["AUTH_TOKEN", "REDIS_URL"]) {
        assert.notInclude(complaint({ env: { [name]: bad } }), text)
        assert.notInclude(complaint({ dotenv: { [name]: bad } }), text)
      }
      assert.notInclude(complaint({ yaml: `auth: { token: "${bad}" }\nredis: { url: "${bad}" }\n` }), text)
    }))
  })
})

describe("a secret in another's place", () => {
  it.each<Given>([
    { yaml: "redis: redis://u:S3CRET@h:6379\n" },
    { yaml: "auth: S3CRETxx\n" },
    { yaml: "auth: { open: S3CRETxx }\n" },
    { yaml: "redis: [S3CRETxx]\n" },
    { env: { REDIS_HOST: "u:S3CRET@h" } },
    { dotenv: { REDIS_PORT: "S3CRET" } },
    { env: { PORT: "redis://u:S3CRET@h:6379" } },
    { yaml: "server: { port: 'https://u:S3/CRET@h' }\n" }
  ])("is not shown: %j", (given) => {
    const said = complaint(given)
    assert.notMatch(said, /S3.?CRET/)
    assert.include(said, "expected")
  })

  it("is not shown as the name of an alias", () => {
    const read = parseYaml("auth: {token: *S3CRET}\n", "config/sluice.yaml")
    assert.isTrue(Result.isFailure(read) && !read.failure.message.includes("S3CRET"))
  })
})

describe("notices", () => {
  it.each<[string, Given, ReadonlyArray<string>]>([
    [
      "two ways to Redis",
      { env: { REDIS_URL: "redis://a", REDIS_HOST: "b" } },
      ["REDIS_URL and REDIS_HOST are both set: REDIS_URL is used"]
    ],
    ["a key left blank", { env: { AUTH_TOKEN: "" } }, ["AUTH_TOKEN is set but empty: requests need no key"]],
    [
      "an open door",
      { env: { HOST: "0.0.0.0" } },
      [
        "HOST is 0.0.0.0 and AUTH_TOKEN is not set: requests need the key that is made for this run; set AUTH_TOKEN to " +
        "keep one, or AUTH_OPEN=true to need none"
      ]
    ],
    [
      "a door left open on purpose",
      { env: { HOST: "0.0.0.0", AUTH_OPEN: "true" } },
      ["HOST is 0.0.0.0 and AUTH_OPEN is true: whoever can reach the port needs no key"]
    ],
    ["a door with a key", { env: { HOST: "0.0.0.0", AUTH_TOKEN: "key" } }, []],
    [
      "limits that each process has to itself",
      { env: { WORKERS: "3", RATE_LIMIT_PER_KEY_ITEMS: "10/s" } },
      ["rate limits are counted by each of 3 processes for itself: set REDIS_URL to have one count"]
    ],
    ["limits that processes share", { env: { WORKERS: "3", RATE_LIMIT_ITEMS: "10/s", REDIS_HOST: "a" } }, []],
    [
      "limits that are lifted",
      { env: { RATE_LIMIT_ITEMS: "10/s", BYPASS_RATE_LIMITS: "true" } },
      ["BYPASS_RATE_LIMITS is set: no rate limit holds"]
    ],
    ["a door with keys", { env: { HOST: "0.0.0.0", AUTH_TOKEN: "", API_KEYS_FILE: "keys.yaml" } }, []],
    ["a door on loopback", { env: { HOST: "localhost" } }, []]
  ])("speak of %s", (_, given, notices) => {
    assert.deepStrictEqual(resolve(given).notices, notices)
  })
})
