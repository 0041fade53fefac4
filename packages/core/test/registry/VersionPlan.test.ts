import { assert, describe, it } from "@effect/vitest"
import { PluginCatalogue } from "@sluice/core/registry/PluginCatalogue"
import { planVersion, type ServingConfig } from "@sluice/core/registry/VersionPlan"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { join } from "node:path"
import { registryOf } from "./Registries.ts"

const config: ServingConfig = {
  cores: 4,
  inlineBoundMs: 0.1,
  device: "cpu",
  precision: undefined,
  maxBatchSize: undefined,
  maxBatchCost: undefined,
  window: Duration.zero,
  queueCapacity: 100,
  timeoutMs: 1000,
  runTimeout: Duration.seconds(30)
}

const catalogue = PluginCatalogue.layer(
  ["./First.ts", "./Second.ts"],
  join(import.meta.dirname, "../fixtures/catalogue")
)

/** The plan of one version with this entry, at line 5 of its registry. */
const plan = Effect.fnUntraced(function*(entry: object, serving: Partial<ServingConfig> = {}) {
  const registry = registryOf({ iris: { default_version: "v1", versions: { v1: { path: "iris.first", ...entry } } } })
  const [version] = registry.models[0]?.versions ?? []
  if (version === undefined) return yield* Effect.die("the registry has a version")
  return yield* planVersion(version, { ...config, ...serving }, yield* PluginCatalogue)
}, Effect.provide(catalogue))

const options = { size: 1 }

describe("planVersion", () => {
  it.effect.each<readonly [string, object, RegExp]>([
    ["an option of another type", { options: { size: "large" } }, /options\.size: .*number/],
    ["a missing option", { options: {} }, /options\.size: /],
    ["an option that there is not", { options: { size: 1, sise: 2 } }, /options\.sise: /],
    [
      "several of these at once",
      { options: { sise: 2 } },
      /options\.size: .*; options\.sise: |options\.sise: .*; options\.size: /
    ],
    ["an unknown plugin", { plugin: "third" }, /"third".*first, second/],
    ["a file that no plugin recognises", { path: "iris.pickle" }, /first, second.*"plugin:"/],
    ["a file that a plugin cannot read", { path: "iris.broken" }, /the file is truncated/]
  ])("refuses %s in one line that begins with file and line", ([, entry, reason]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(plan(entry))
      assert.strictEqual(error._tag, "EntryRefused")
      assert.match(error.message, /^\/etc\/sluice\/registry\.yaml:5: model "iris" version "v1": /)
      assert.match(error.message, reason)
      assert.notInclude(error.message, "\n")
    }))

  it.effect("takes what the entry says before what the configuration says before what the plugin prefers", () =>
    Effect.gen(function*() {
      const batching = { max_batch_size: 3, max_batch_cost: 50, window: "20 millis", queue_capacity: 9 }
      const plans = [
        yield* plan({ plugin: "second" }),
        yield* plan({ plugin: "second" }, { maxBatchSize: 5, maxBatchCost: 70, window: Duration.millis(2) }),
        yield* plan({ plugin: "second", batching, timeout_ms: 30, run_timeout: "2s", isolation: "process" }, {
          maxBatchSize: 5,
          maxBatchCost: 70,
          window: Duration.millis(2)
        })
      ]
      assert.deepStrictEqual(
        plans.map((plan) => [plan.maxBatchSize, plan.maxBatchCost, plan.windowMs, plan.queueCapacity, plan.timeoutMs]),
        [[7, Infinity, 0, 100, 1000], [5, 70, 2, 100, 1000], [3, 50, 20, 9, 30]]
      )
      assert.deepStrictEqual(plans.map((plan) => plan.runTimeoutMs), [30_000, 30_000, 2000])
      assert.deepStrictEqual(plans.map((plan) => plan.threads.isolation), ["thread", "thread", "process"])
      assert.deepStrictEqual(plans[0]?.threads, { instances: 4, threads: 1, isolation: "thread", shareWorker: false })
    }))

  it.effect("gives worker and codec the same file, device and precision, and the worker the options as they are written", () =>
    Effect.gen(function*() {
      const { context, options: decoded, spec } = yield* plan(
        { options, device: "cuda", variants: { fp16: "half.first" } },
        { precision: "fp16" }
      )
      assert.strictEqual(spec.path, "/etc/sluice/half.first")
      assert.strictEqual(context.files.path, spec.path)
      assert.deepInclude(spec, { device: "cuda", precision: "fp16", model: "iris", version: "v1", options })
      assert.deepInclude(context, { device: "cuda", precision: "fp16", model: "iris", version: "v1" })
      assert.deepStrictEqual(decoded, options)
    }))

  it.effect("takes a model's answers for independent of the batch unless it is int8, and lets padding in accordingly", () =>
    Effect.gen(function*() {
      const plans = [
        yield* plan({ options }),
        yield* plan({ options, precision: "int8" }),
        yield* plan({ options, precision: "int8", batch_invariant: true }),
        yield* plan({ options, batch_invariant: false }),
        yield* plan({ options, precision: "int8", batching: { max_padded_waste: 0.5 } })
      ]
      assert.deepStrictEqual(
        plans.map(({ batchInvariant, maxPaddedWaste }) => [batchInvariant, maxPaddedWaste]),
        [[true, 0.25], [false, 0], [true, 0.25], [false, 0], [false, 0.5]]
      )
    }))

  it.effect("keeps off the event loop what may not be there", () =>
    Effect.gen(function*() {
      const plans = [
        yield* plan({ options }),
        yield* plan({ options, inline: "off" }),
        yield* plan({ options, isolation: "process" }),
        yield* plan({ options, device: "cuda" }),
        yield* plan({ options }, { inlineBoundMs: 0 }),
        // This plugin does not promise what such a model must keep.
        yield* plan({ path: "iris.second" })
      ]
      assert.deepStrictEqual(plans.map(({ inlineBoundMs }) => inlineBoundMs), [0.1, 0, 0, 0, 0, 0])
    }))

  it.effect("has a latency target in milliseconds, if the entry has one", () =>
    Effect.gen(function*() {
      assert.isUndefined((yield* plan({ options })).latencyTargetMs)
      assert.strictEqual((yield* plan({ options, batching: { latency_target: "0.05 s" } })).latencyTargetMs, 50)
    }))

  it.effect("says so when the precision that is wanted is not there", () =>
    Effect.gen(function*() {
      const { notices, spec } = yield* plan({ options }, { precision: "int8" })
      assert.strictEqual(spec.precision, "fp32")
      assert.match(notices.join(), /"iris".*int8.*fp32/)
      assert.deepStrictEqual((yield* plan({ options })).notices, [])
    }))

  it.effect("writes what a codec logs to the host's log, at its level", () =>
    Effect.gen(function*() {
      const lines: Array<unknown> = []
      const collector = Logger.make(({ fiber, logLevel, message }) => {
        lines.push([logLevel, message, fiber.getRef(References.CurrentLogAnnotations)])
      })
      const { context } = yield* plan({ options }).pipe(
        Effect.provide(Logger.layer([collector])),
        Effect.provideService(References.MinimumLogLevel, "All")
      )
      const levels = ["debug", "info", "warn", "error"] as const
      for (const level of levels) context.log(level, `at ${level}`)
      const annotations = { model: "iris", version: "v1" }
      assert.deepStrictEqual(lines, [
        ["Debug", ["at debug"], annotations],
        ["Info", ["at info"], annotations],
        ["Warn", ["at warn"], annotations],
        ["Error", ["at error"], annotations]
      ])
    }))
})
