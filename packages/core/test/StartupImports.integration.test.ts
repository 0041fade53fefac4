/**
 * What a server without Redis, tracing and a scraper must not pay for when it starts: 300 ms of imports.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { promisify } from "node:util"

const run = promisify(execFile)
const source = (path: string) => JSON.stringify(new URL(`../src/${path}`, import.meta.url).href)

/** The packages that a process has loaded after it ran these lines, of those that are to be loaded late. */
const loadedAfter = (lines: string) =>
  Effect.promise(async () => {
    const script = `
      import { createRequire } from "node:module"
      import * as Effect from "effect/Effect"
      import * as Layer from "effect/Layer"
      import * as Redacted from "effect/Redacted"
      import { PredictionCache } from ${source("cache/PredictionCache.ts")}
      import { layerMemory } from ${source("cache/CacheStoreMemory.ts")}
      import * as Redis from ${source("cache/Redis.ts")}
      import { layerRedis } from ${source("cache/RedisCache.ts")}
      import { defaultBreakerRules } from ${source("resilience/BreakerRules.ts")}
      import { CircuitBreaker } from ${source("resilience/CircuitBreaker.ts")}
      import { CircuitSharing } from ${source("resilience/CircuitSharing.ts")}
      import { Metrics } from ${source("telemetry/Metrics.ts")}
      import * as Logging from ${source("telemetry/Logging.ts")}
      import * as Tracing from ${source("telemetry/Tracing.ts")}
      const late = ["ioredis", "prom-client", "@opentelemetry/api", "@opentelemetry/sdk-trace-base"]
      await Effect.runPromise(Effect.gen(function*() { ${lines} }).pipe(Effect.scoped))
      const loaded = Object.keys(createRequire(import.meta.url).cache)
      console.log(late.filter((name) => loaded.some((path) => path.includes("/node_modules/" + name + "/"))).join(" "))
      process.exit(0)
    `
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: import.meta.dirname })
    return stdout.trim().split(" ").filter((name) => name !== "")
  })

const metricsOf = "const metrics = yield* Layer.build(Metrics.layer({ enabled: true }));"

describe("what is loaded at the start", () => {
  it.live("neither Redis' driver, nor OpenTelemetry, nor the metrics library", () =>
    Effect.gen(function*() {
      const loaded = yield* loadedAfter(`
        const store = PredictionCache.layer({ timeToLive: "1 minute" }).pipe(Layer.provide(layerMemory({ maxBytes: 1000 })))
        yield* Layer.build(Layer.mergeAll(store, CircuitBreaker.layer(defaultBreakerRules)).pipe(
          Layer.provide(CircuitSharing.layerNone),
          Layer.provideMerge(Metrics.layer({ enabled: true })),
          Layer.provide(Logging.layer({ level: "info", format: "auto" })),
          Layer.provide(Tracing.layer({ enabled: false, serviceName: "s" }))
        ))
      `)
      assert.deepStrictEqual(loaded, [])
    }))

  it.live("each of them when it is used, which shows that this test can tell", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* loadedAfter(`yield* Layer.build(Redis.layer({ url: Redacted.make("redis://127.0.0.1:1") }))`),
        ["ioredis"]
      )
      assert.includeMembers(
        yield* loadedAfter(
          `${metricsOf} yield* Effect.provide(Effect.flatMap(Metrics, ({ render }) => render), metrics)`
        ),
        ["prom-client"]
      )
      assert.includeMembers(
        yield* loadedAfter(`yield* Layer.build(Tracing.layer({ enabled: true, serviceName: "s" }))`),
        ["@opentelemetry/sdk-trace-base"]
      )
    }))
})
