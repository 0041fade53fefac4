/**
 * Secrets and what strangers send, in all that a server writes: its log in both forms at every level, traces, the audit log,
 * metrics, answers, and what it says when it cannot start.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { redisServer, withoutRedis } from "../../../core/test/RedisServer.ts"
import { otlpReceiver } from "../../../core/test/telemetry/OtlpReceiver.ts"
import { http } from "../harness/Http.ts"
import { rawPost, rawSocket } from "../harness/RawSocket.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { inRepository, readyServer, spawnServer, temporaryDirectory } from "../harness/ServerProcess.ts"

const token = "open-sesame-77f3a1"
const redisPassword = "moss-and-granite-19"
const inUrl = "key-in-a-url-5f0c"
const secrets = [token, redisPassword, inUrl]

const holdsNone = (text: string, where: string) => {
  for (const secret of secrets) assert.notInclude(text, secret, where)
}

// oxlint-disable-next-line no-control-regex
const control = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202e]/

const iris = { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]] }
const key = { "x-token": token }

/** What a stranger would like to see in a terminal or as a line of its own. */
const forged = "a\u001b[2J\u001b]0;owned\u0007\r\n{\"level\":\"info\",\"message\":\"forged\"}\u2028\u202e"

/** Calls that go well, go wrong, and carry the key where it does not belong. */
const exercise = Effect.fnUntraced(function*(port: number) {
  const query = `?token=${inUrl}&api_key=${inUrl}&x-token=${inUrl}&${inUrl}`
  const statuses = yield* Effect.forEach(
    [
      { path: "/api/v1/predict", body: iris },
      { path: `/api/v1/predict${query}`, body: iris },
      { path: `/models${query}` },
      { path: `/nope${query}` },
      { path: `/docs${query}` },
      { path: `/v2/models/iris/infer${query}`, body: "{" },
      { path: `/v1/embeddings${query}`, body: { model: "gpt", input: "a" } },
      { path: `/rpc${query}`, body: "{", headers: { "content-type": "application/ndjson" } },
      { path: `/rpc/ws${query}` },
      {
        path: `/api/v1/registry${query}`,
        method: "PUT",
        body: "nope: 1",
        headers: { "content-type": "application/yaml" }
      },
      { path: `/v2/repository/models/iris/load${query}`, method: "POST" },
      { path: `/api/v1/inference/cache/clear${query}`, method: "DELETE" },
      { path: "/models", headers: { authorization: `Basic ${Buffer.from(`u:${token}`).toString("base64")}` } }
    ],
    (options) =>
      Effect.forEach([{}, key], (headers) =>
        Effect.map(
          http({ port, ...options, headers: { "content-type": "application/json", ...options.headers, ...headers } }),
          (answer) => {
            holdsNone(answer.text + JSON.stringify(answer.headers), options.path)
            return answer.status
          }
        ))
  )
  // Nothing but health and documents is open to whoever has the key in the URL alone.
  assert.deepStrictEqual(statuses.slice(0, 4).map(([without]) => without), [401, 401, 401, 401])
  for (
    const body of [{ ...iris, id: forged }, { ...iris, model: forged }, { model: "iris", records: [{ [forged]: 1 }] }]
  ) {
    yield* http({ port, path: "/api/v1/predict", body, headers: key })
  }
  yield* http({
    port,
    path: "/rpc",
    body: `${
      JSON.stringify({ _tag: "Request", id: forged, tag: forged, payload: forged, headers: [[forged, forged]] })
    }\n`,
    headers: key
  })
  const id = Buffer.from("\u001b[31mred\u0007").toString("latin1")
  yield* rawSocket({
    port,
    text: rawPost("/api/v1/predict", "{", { "X-Request-Id": id, "X-Token": token }),
    half: true
  })
  // Leaves in the middle of the answer, which is logged with its request id.
  yield* rawSocket({
    port,
    text: rawPost("/api/v1/predict", "{\"model\"", { "X-Request-Id": "a\"b\\c", "X-Token": token }).slice(0, -3),
    half: true
  })
})

const often = Schedule.spaced("20 millis")

describe.each(["json", "pretty"])("what a server writes, as %s", (format) => {
  it.live("holds no secret, and nothing that a stranger sent as it came", () =>
    Effect.gen(function*() {
      const receiver = yield* otlpReceiver
      const audit = join(yield* temporaryDirectory, "audit.jsonl")
      const server = yield* readyServer({
        registry: leanRegistry,
        env: {
          AUTH_TOKEN: token,
          REDIS_URL: `redis://user:${redisPassword}@127.0.0.1:1/0`,
          AUDIT_LOG: audit,
          LOG_LEVEL: "trace",
          LOG_FORMAT: format,
          DRAIN_DELAY: "0",
          ENABLE_TRACING: "true",
          OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
          OTEL_BSP_SCHEDULE_DELAY: "50"
        }
      })
      yield* exercise(server.port)
      yield* server.printed("is not reachable, going on without it")
      const page = yield* http({ port: server.port, path: "/metrics" })
      holdsNone(page.text, "metrics")
      assert.notMatch(page.text, control)
      yield* Effect.repeat(Effect.sync(() => receiver.spans().length), {
        until: (count) => count > 20,
        schedule: often
      })
      server.kill("SIGTERM")
      const { stderr } = yield* server.ended
      holdsNone(server.output(), "output")
      assert.notMatch(server.output(), control)
      if (format === "json") {
        for (const line of stderr.trimEnd().split("\n")) assert.notPropertyVal(JSON.parse(line), "message", "forged")
      }
      assert.notMatch(server.output(), /^\{"level":"info","message":"forged"/m)
      const spans = JSON.stringify(receiver.requests.map(({ body }) => body))
      assert.include(spans, "url.full")
      holdsNone(spans, "spans")
      const log = readFileSync(audit, "utf8")
      assert.include(log, "http:auth_token")
      holdsNone(log, "audit")
    }), 60_000)
})

describe.skipIf(withoutRedis)("a Redis that refuses the password", () => {
  it.live("does not bring it into the log", () =>
    Effect.gen(function*() {
      const redis = yield* redisServer
      const server = yield* readyServer({
        registry: leanRegistry,
        env: {
          REDIS_URL: `redis://user:${redisPassword}@127.0.0.1:${redis.port}/0`,
          LOG_LEVEL: "trace",
          DRAIN_DELAY: "0"
        }
      })
      yield* server.printed(/redis at .*(WRONGPASS|without it)/)
      assert.strictEqual((yield* http({ port: server.port, path: "/api/v1/predict", body: iris })).status, 200)
      holdsNone((yield* http({ port: server.port, path: "/readyz" })).text, "readiness")
      holdsNone(server.output(), "output")
    }), 30_000)
})

describe("a configuration with a mistake in a secret", () => {
  const cases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    "a Redis URL of no known protocol": { REDIS_URL: `http://user:${redisPassword}@host/0` },
    "a Redis URL that is none": { REDIS_URL: `redis://user:${redisPassword}@[host` },
    "a Redis URL with a port that is none": { REDIS_URL: `redis://user:${redisPassword}@host:99999/0` },
    "a key with a line end": { AUTH_TOKEN: `${token}\nx` },
    "a key with a blank": { AUTH_TOKEN: `Bearer ${token}` },
    "a mistake elsewhere": { AUTH_TOKEN: token, REDIS_URL: `redis://user:${redisPassword}@host/0`, PORT: "eighty" }
  }
  it.live("is told without it", () =>
    Effect.gen(function*() {
      for (const [name, env] of Object.entries(cases)) {
        const { code, stderr, stdout } =
          yield* (yield* spawnServer({ registry: leanRegistry, env: { LOG_LEVEL: "trace", ...env } })).ended
        assert.strictEqual(code, 1, name)
        assert.match(stderr, /^sluice: /)
        holdsNone(stdout + stderr, name)
      }
      const yaml = `auth: { token: "${token}\nredis: { url: redis://user:${redisPassword}@host/0 }\n`
      const broken = yield* (yield* spawnServer({ registry: leanRegistry, config: yaml })).ended
      assert.strictEqual(broken.code, 1)
      holdsNone(broken.stdout + broken.stderr, "YAML that cannot be parsed")
    }), 60_000)
})

describe("sluice config", () => {
  it.live("shows where each secret comes from, and not the secret", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      writeFileSync(join(directory, ".env"), `AUTH_TOKEN=${token}\n`)
      for (const output of ["table", "json"]) {
        const { code, stderr, stdout } = yield* (yield* spawnServer({
          program: [inRepository("packages/cli/src/main.ts"), "config", "--output", output],
          cwd: directory,
          env: { REDIS_URL: `rediss://user:${redisPassword}@host/0?password=${redisPassword}` }
        })).ended
        assert.strictEqual(code, 0, stderr)
        holdsNone(stdout + stderr, output)
        assert.include(stdout, ".env AUTH_TOKEN")
        assert.include(stdout, "env REDIS_URL")
        assert.include(stdout, "rediss://<redacted>@host/0?<redacted>")
      }
    }), 30_000)
})
