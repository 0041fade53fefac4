/**
 * A Redis that speaks TLS: reached with the right certificates, and never without its own being checked.
 */
import { assert, describe, it } from "@effect/vitest"
import { CACHE_ROOT } from "@sluice/core/cache/CacheKey"
import * as Effect from "effect/Effect"
import { redisTlsServer, withoutRedis } from "../../../core/test/RedisServer.ts"
import { type Authority, certificateAuthority, type CertificateFiles } from "../harness/Certificates.ts"
import { http } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, spawnServer } from "../harness/ServerProcess.ts"

const iris = { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]] }

const redisOf = (authority: Authority, askClients: boolean) =>
  redisTlsServer({ ...authority.issue("redis"), ca: authority.ca, askClients })

const serve = (port: number, env: Readonly<Record<string, string>>) =>
  readyServer({ registry: leanRegistry, env: { REDIS_URL: `rediss://localhost:${port}/0`, DRAIN_DELAY: "0", ...env } })

const ask = (port: number) => http({ port, path: "/api/v1/predict", body: iris })

const asClient = ({ cert, key }: CertificateFiles) => ({ REDIS_CERT: cert, REDIS_KEY: key })

describe.skipIf(withoutRedis)("a Redis that speaks TLS", () => {
  it.live("keeps answers for a server that trusts its certificate", () =>
    Effect.gen(function*() {
      const authority = yield* certificateAuthority
      const redis = yield* redisOf(authority, false)
      // What is kept is looked at, not how fast.
      const env = { REDIS_CA: authority.ca, CACHE_TIME_BUDGET: "5 s" }
      const first = yield* serve(redis.port, env)
      yield* first.printed(`redis at localhost:${redis.port} is connected`)
      assert.strictEqual((yield* ask(first.port)).headers["x-cache"], "miss")
      // An answer is written to Redis after it has been given: until its key is there.
      const isEmpty = Effect.map(redis.command("KEYS", `${CACHE_ROOT}*`), (keys) =>
        Array.isArray(keys) && keys.length === 0)
      yield* Effect.repeat(Effect.delay(isEmpty, "20 millis"), {
        while: (empty) =>
          empty
      })
      const second = yield* serve(redis.port, env)
      yield* second.printed("is connected")
      assert.strictEqual((yield* ask(second.port)).headers["x-cache"], "hit")
    }), 60_000)

  it.live("is gone without where its certificate is not trusted, and predictions go on", () =>
    Effect.gen(function*() {
      const authority = yield* certificateAuthority
      const another = yield* certificateAuthority
      const redis = yield* redisOf(authority, false)
      for (const env of [{}, { REDIS_CA: another.ca }]) {
        const server = yield* serve(redis.port, env)
        // Why is told once; on a busy machine the first attempt may have been too slow instead.
        yield* server.printed("is not reachable, going on without it")
        assert.strictEqual((yield* ask(server.port)).status, 200)
        assert.notInclude(server.output(), "is connected")
      }
    }), 60_000)

  it.live(
    "takes a server that shows a certificate of its own, where it asks for one, and no other",
    () =>
      Effect.gen(function*() {
        const authority = yield* certificateAuthority
        const redis = yield* redisOf(authority, true)
        const known = yield* serve(redis.port, { REDIS_CA: authority.ca, ...asClient(authority.issue("client")) })
        yield* known.printed("is connected")
        const unknown = yield* serve(redis.port, { REDIS_CA: authority.ca })
        yield* unknown.printed("is not reachable, going on without it")
        assert.strictEqual((yield* ask(unknown.port)).status, 200)
      }),
    60_000
  )
})

describe("certificates for Redis that cannot be used", () => {
  it.live("keep the server from starting, and are named", () =>
    Effect.gen(function*() {
      const authority = yield* certificateAuthority
      const [one, two] = [authority.issue("one"), authority.issue("two")]
      const cases: ReadonlyArray<readonly [Readonly<Record<string, string>>, string]> = [
        [{ REDIS_CA: "/nowhere/ca.pem" }, "/nowhere/ca.pem: redis.ca: this file does not exist"],
        [{ REDIS_CA: one.key }, "redis.ca: it holds no certificate"],
        [asClient({ cert: one.cert, key: two.key }), "redis.cert: it and "]
      ]
      for (const [env, sentence] of cases) {
        const server = yield* spawnServer({
          registry: leanRegistry,
          env: { REDIS_URL: "rediss://localhost:1/0", ...env }
        })
        const { code, stderr } = yield* server.ended
        assert.strictEqual(code, 1)
        assert.include(stderr, sentence)
        assert.notInclude(stderr, "PRIVATE")
      }
    }), 60_000)
})
