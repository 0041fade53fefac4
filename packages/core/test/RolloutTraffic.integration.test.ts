/**
 * Requests of a model with a rollout: who answers them, and what the rollout is told.
 */
import { assert, describe, it } from "@effect/vitest"
import { Inference } from "@sluice/core/Inference"
import type { InferRequest } from "@sluice/core/InferRequest"
import { ModelRegistry } from "@sluice/core/registry/ModelRegistry"
import { Rollouts } from "@sluice/core/rollout/Rollouts"
import { Metrics } from "@sluice/core/telemetry/Metrics"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import { orders, sharedCells } from "./fixtures/ScriptedPlugin.ts"
import { engineLayer, registryWith, scripted, turn } from "./LocalEngine.ts"

type Needs = ModelRegistry | Inference | Rollouts | Metrics

const test = (
  name: string,
  rollout: object,
  body: () => Generator<Effect.Effect<unknown, unknown, Needs>, void, never>
) =>
  it.live(name, () => {
    const v = (factor: number) => ({ ...scripted, options: { factor } })
    const models = {
      numbers: {
        default_version: "v1",
        versions: { v1: v(2), v2: v(3), v3: { ...scripted, options: { load: "fail" } } },
        rollout_strategy: rollout
      }
    }
    return Effect.gen(body).pipe(
      Effect.provide(engineLayer(registryWith(models, sharedCells()))),
      Effect.provide(Logger.layer([]))
    )
  })

const ask = (routingKey: string, options: Partial<InferRequest> & { readonly value?: number } = {}) =>
  Effect.gen(function*() {
    const { value = 1, ...request } = options
    return yield* (yield* Inference).infer({
      model: "numbers",
      version: undefined,
      routingKey,
      input: { _tag: "Items", items: [{ _tag: "Features", values: [value] }] },
      cache: "bypass",
      priority: "normal",
      timeoutMs: undefined,
      ...request
    })
  })

const versionFor = (routingKey: string, version?: string) =>
  Effect.map(ask(routingKey, { version }), (result) => result.version)

const keys = Array.from({ length: 400 }, (_, i) => `caller-${i}`)

/** What the rollout was told, when that is so. */
const toldThat = Effect.fnUntraced(
  function*(isSo: (counts: ReturnType<NonNullable<ReturnType<Rollouts["Service"]["monitor"]>>["counts"]>) => boolean) {
    const rollouts = yield* Rollouts
    while (true) {
      const counts = rollouts.monitor("numbers")?.counts()
      if (counts !== undefined && isSo(counts)) return counts
      yield* turn
    }
  }
)

/** What the metrics page has of rollouts, by the version and its role where there is one. */
const counted = Effect.gen(function*() {
  const { snapshot } = yield* Metrics
  const samples = (yield* snapshot).flatMap(({ name, values }) => values.map((sample) => ({ name, ...sample })))
  return (name: string, version: string, role?: string): number | undefined =>
    samples.find((sample) =>
      sample.name === `sluice_rollout_${name}_total` && sample.labels["version"] === version &&
      sample.labels["role"] === role
    )?.value
})

describe("a canary", () => {
  const canary = { type: "canary", canary_percentage: 30, target_version: "v2" }

  test("answers its share of the callers, the same ones each time; who names a version gets that", canary, function*() {
    const first = yield* Effect.forEach(keys, (key) => versionFor(key))
    const share = first.filter((version) => version === "v2").length / keys.length
    assert.isAbove(share, 0.2)
    assert.isBelow(share, 0.4)
    assert.deepStrictEqual(yield* Effect.forEach(keys, (key) => versionFor(key)), first)
    assert.deepStrictEqual(
      new Set(yield* Effect.forEach(keys.slice(0, 50), (key) => versionFor(key, "v1"))),
      new Set(["v1"])
    )
    const { default: ofDefault, target } = yield* toldThat(() => true)
    assert.strictEqual(target.requests, 2 * share * keys.length)
    assert.strictEqual(ofDefault.requests, 2 * (1 - share) * keys.length)
    assert.strictEqual(target.errors + ofDefault.errors, 0)
    const found = yield* counted
    assert.strictEqual(found("assignments", "v2"), target.requests)
    assert.strictEqual(found("assignments", "v1"), ofDefault.requests, "who names a version is not assigned one")
    assert.strictEqual(found("requests", "v2", "target"), target.requests)
    assert.strictEqual(found("requests", "v1", "default"), ofDefault.requests)
    assert.strictEqual(found("requests", "v1", "target"), undefined)
  })

  test("compares what its target answers with what the default would have", canary, function*() {
    yield* Effect.forEach(keys.slice(0, 100), (key) => ask(key), { discard: true })
    const { comparison } = yield* toldThat(({ comparison }) => comparison.items > 0)
    assert.strictEqual(comparison.agreed, 0)
    assert.strictEqual(comparison.maxAbs, 1)
    const found = yield* counted
    assert.isAtLeast(found("compared_items", "v2") ?? 0, comparison.items)
    assert.deepStrictEqual([found("agreed_items", "v2"), found("compared_items", "v1")], [0, 0])
  })

  test("counts failures of its own, and not what callers did wrong", canary, function*() {
    const text = { _tag: "Items" as const, items: [{ _tag: "Text" as const, text: "no number" }] }
    yield* Effect.forEach(keys.slice(0, 50), (key) =>
      Effect.andThen(
        ask(key, { value: orders.fail }),
        // An answer between two failures keeps the circuit closed.
        Effect.andThen(ask(key), ask(key, { input: text }))
      ), { discard: true })
    const { default: ofDefault, target } = yield* toldThat(() => true)
    assert.isAbove(target.errors, 0)
    assert.strictEqual(target.errors + ofDefault.errors, 50)
    const found = yield* counted
    assert.strictEqual(found("request_errors", "v2", "target"), target.errors)
    assert.strictEqual(found("request_errors", "v1", "default"), ofDefault.errors)
  })

  test(
    "leaves its callers to the default while its target cannot answer",
    { ...canary, target_version: "v3" },
    function*() {
      const versions = yield* Effect.forEach(keys.slice(0, 50), (key) => versionFor(key))
      assert.deepStrictEqual(new Set(versions), new Set(["v1"]))
    }
  )
})

describe("a shadow", () => {
  const shadow = { type: "shadow", shadow_percentage: 100, target_version: "v2" }

  test("computes copies, and answers nobody", shadow, function*() {
    const results = yield* Effect.forEach(keys.slice(0, 20), (key) => ask(key))
    assert.deepStrictEqual(new Set(results.map(({ version }) => version)), new Set(["v1"]))
    const { comparison, target } = yield* toldThat(({ target }) => target.requests > 0)
    assert.isAbove(target.requests, 0)
    assert.strictEqual(comparison.agreed, 0)
    const found = yield* counted
    assert.isAtLeast(found("requests", "v2", "shadow") ?? 0, target.requests)
    assert.strictEqual(found("assignments", "v2"), 0)
  })

  test("shows nobody its failures", { ...shadow, target_version: "v2" }, function*() {
    const { items } = yield* ask("caller", { value: 5 })
    assert.isTrue(items.every(Result.isSuccess))
    yield* toldThat(({ target }) => target.requests === 1)
  })
})

describe("an A/B test", () => {
  test("gives each version its share", { type: "ab_test", weights: { v1: 25, v2: 75 } }, function*() {
    const versions = yield* Effect.forEach(keys, (key) => versionFor(key))
    const share = versions.filter((version) => version === "v2").length / keys.length
    assert.isAbove(share, 0.65)
    assert.isBelow(share, 0.85)
    const found = yield* counted
    assert.strictEqual(found("assignments", "v2"), share * keys.length)
    assert.strictEqual(found("assignments", "v1"), keys.length - share * keys.length)
    const list = yield* (yield* ModelRegistry).list
    assert.deepStrictEqual(list.map(({ traffic_percent, version }) => [version, traffic_percent]), [
      ["v1", 25],
      ["v2", 75],
      ["v3", 0]
    ])
  })
})
