import { assert, describe, it } from "@effect/vitest"
import { parseYaml } from "@sluice/core/config/YamlDocument"
import { decodeRegistry } from "@sluice/core/registry/RegistryDecode"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { resolve } from "node:path"
import { stringify } from "yaml"

const file = "config/model_registry.yaml"
const decode = (text: string) => Result.flatMap(parseYaml(text, file), decodeRegistry)
const registryOf = (text: string) => Result.getOrThrow(decode(text))

const complaint = (text: string): string => {
  const result = decode(text)
  assert.isTrue(Result.isFailure(result), "a mistake was expected")
  return Result.isFailure(result) ? result.failure.message : ""
}

/** As issue 3 shows it. */
const sample = `models:
  sentiment:
    default_version: "v1"
    versions:
      v1: { path: "models/sentiment_v1/model.onnx", status: "active", description: "Baseline model" }
      v2: { path: "models/sentiment_v2/model.onnx", status: "candidate", plugin: "text", precision: "int8", options: { task: "text-classification" } }
    rollout_strategy: { type: "canary", canary_percentage: 10, target_version: "v2" }
`

describe("decodeRegistry", () => {
  it("reads the limits of a model", () => {
    const limits = `    limits: { requests: 100/s, tokens: 5000/min, concurrent: 8 }\n`
    assert.deepStrictEqual(registryOf(sample + limits).models[0]?.limits, {
      requests: { amount: 100, windowMs: 1_000 },
      tokens: { amount: 5_000, windowMs: 60_000 },
      concurrent: 8
    })
    assert.include(complaint(sample + limits.replace("100/s", "often")), "a rate such as \"100/s\"")
    assert.include(
      complaint(sample + limits.replace("concurrent: 8", "concurrent: 0")),
      "models.sentiment.limits.concurrent"
    )
  })

  it("accepts the sample as it stands", () => {
    const registry = registryOf(sample)
    assert.strictEqual(registry.defaultModel, "sentiment")
    assert.strictEqual(registry.models.length, 1)
    const [model] = registry.models
    assert.strictEqual(model?.defaultVersion, "v1")
    assert.deepStrictEqual(model?.rollout, {
      type: "canary",
      percentage: 10,
      targetVersion: "v2",
      steps: [],
      analysis: undefined
    })
    assert.deepStrictEqual(model?.source, { file, line: 2 })
    const [v1, v2] = model?.versions ?? []
    assert.deepStrictEqual(v1, {
      model: "sentiment",
      version: "v1",
      status: "active",
      description: "Baseline model",
      file: {
        written: "models/sentiment_v1/model.onnx",
        absolute: resolve("config/models/sentiment_v1/model.onnx")
      },
      precision: "fp32",
      precisionByDevice: false,
      int8AboveWait: undefined,
      variants: new Map(),
      plugin: undefined,
      device: undefined,
      options: {},
      instances: undefined,
      threads: undefined,
      inline: "auto",
      optimizeFor: "auto",
      batchInvariant: undefined,
      isolation: "thread",
      batching: {
        maxBatchSize: undefined,
        maxBatchCost: undefined,
        window: undefined,
        queueCapacity: undefined,
        latencyTarget: undefined,
        maxPaddedWaste: undefined
      },
      cache: true,
      staleIfErrorMs: 0,
      warmup: [],
      keepLoaded: false,
      timeoutMs: undefined,
      runTimeout: undefined,
      source: { file, line: 5 }
    })
    assert.strictEqual(v2?.status, "candidate")
    assert.strictEqual(v2?.precision, "int8")
    assert.strictEqual(v2?.plugin, "text")
    assert.deepStrictEqual(v2?.options, { task: "text-classification" })
    assert.strictEqual(v2?.source.line, 6)
    assert.deepStrictEqual(registry.notices, [])
  })

  it("reads every field of a full entry", () => {
    const registry = registryOf(`default_model: b
models:
  a: { default_version: v1, versions: { v1: { path: a.onnx } } }
  b:
    description: A model
    default_version: "1.0"
    versions:
      "1.0":
        path: /models/b.onnx
        variants: { fp16: b16.onnx, int8: ../b8.onnx }
        device: cuda
        options: { labels: [x, y], deep: { n: 1 } }
        instances: 2
        threads: 3
        inline: off
        optimize_for: latency
        batch_invariant: false
        isolation: process
        batching: { max_batch_size: 8, max_batch_cost: 4096, window: 5 ms, queue_capacity: 10, latency_target: 20 ms, max_padded_waste: 0.1 }
        cache: false
        timeout_ms: 1500
        run_timeout: 10
    rollout_strategy:
      type: shadow
      shadow_percentage: 12.5
      target_version: "2"
      steps: [5, 25, 100]
      analysis: { max_error_rate: 0.01, max_p50_ratio: 1.3, max_p99_ratio: 1.5, min_agreement: 0.9, min_requests: 100, interval: 30, examples: full }
`.replace("    rollout_strategy:", "      \"2\": { path: c.onnx }\n    rollout_strategy:"))
    assert.strictEqual(registry.defaultModel, "b")
    const model = registry.models[1]
    const version = model?.versions.find((version) => version.version === "1.0")
    assert.strictEqual(model?.description, "A model")
    assert.strictEqual(version?.file.absolute, "/models/b.onnx")
    assert.deepStrictEqual(
      version?.variants,
      new Map([
        ["fp16" as const, { written: "b16.onnx", absolute: resolve("config/b16.onnx") }],
        ["int8" as const, { written: "../b8.onnx", absolute: resolve("b8.onnx") }]
      ])
    )
    assert.deepStrictEqual(version?.options, { labels: ["x", "y"], deep: { n: 1 } })
    assert.deepStrictEqual([version?.device, version?.instances, version?.threads], ["cuda", 2, 3])
    assert.deepStrictEqual([version?.isolation, version?.cache, version?.timeoutMs], ["process", false, 1500])
    assert.deepStrictEqual(version?.runTimeout, Duration.seconds(10))
    assert.strictEqual(version?.batching.maxBatchSize, 8)
    assert.strictEqual(version?.batching.maxBatchCost, 4096)
    assert.strictEqual(version?.batching.queueCapacity, 10)
    assert.deepStrictEqual(version?.batching.window, Duration.millis(5))
    assert.deepStrictEqual(version?.batching.latencyTarget, Duration.millis(20))
    assert.strictEqual(version?.batching.maxPaddedWaste, 0.1)
    assert.deepStrictEqual([version?.inline, version?.optimizeFor, version?.batchInvariant], ["off", "latency", false])
    assert.deepStrictEqual(model?.rollout, {
      type: "shadow",
      percentage: 12.5,
      targetVersion: "2",
      steps: [5, 25, 100],
      analysis: {
        maxErrorRate: 0.01,
        maxP50Ratio: 1.3,
        maxP99Ratio: 1.5,
        minAgreement: 0.9,
        minRequests: 100,
        interval: Duration.seconds(30),
        examples: "full"
      }
    })
  })

  it("says of a canary with steps and no gates that nobody moves it", () => {
    const [notice] = registryOf(sample.replace("target_version", "steps: [50, 100], target_version")).notices
    assert.match(notice ?? "", /:2: model "sentiment" has a canary with steps and no analysis, so it stays at \d+ %/)
  })

  it("takes type: pinned as the one change that stops a rollout", () => {
    const registry = registryOf(sample.replace("\"canary\"", "\"pinned\""))
    assert.deepStrictEqual(registry.models[0]?.rollout, { type: "pinned" })
    assert.deepStrictEqual(registry.notices, [])
  })

  it("reads the weights of an ab_test", () => {
    const registry = registryOf(sample.replace(/\{ type: .*/, "{ type: ab_test, weights: { v1: 50, v2: 1 } }"))
    assert.deepStrictEqual(registry.models[0]?.rollout, {
      type: "ab_test",
      weights: new Map([["v1", 50], ["v2", 1]])
    })
  })

  it("keeps models and versions, whatever their valid names", () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/)
    const names = fc.uniqueArray(name, { minLength: 1, maxLength: 5 })
    fc.assert(fc.property(names, names, (models, versions) => {
      const entry = {
        default_version: versions[0],
        versions: Object.fromEntries(versions.map((version) => [version, { path: `${version}.onnx` }]))
      }
      const registry = registryOf(stringify({ models: Object.fromEntries(models.map((model) => [model, entry])) }))
      assert.sameMembers(registry.models.map((model) => model.name), models)
      for (const model of registry.models) {
        assert.sameMembers(model.versions.map((version) => version.version), versions)
      }
    }))
  })
})

describe("decodeRegistry refuses", () => {
  const at = (line: number, sentence: string) => `${file}:${line}: ${sentence}`
  const rollout = (strategy: string) => sample.replace(/rollout_strategy: .*/, `rollout_strategy: ${strategy}`)

  it.each([
    ["an empty file", "", at(1, "expected a mapping, got nothing")],
    ["no models", "models: {}", at(1, "models: a registry needs at least one model")],
    [
      "a field of the platform's twin",
      "model: {}\nmodels: { }",
      at(1, "model: unknown field (did you mean \"models\"?)")
    ],
    [
      "a model without versions",
      "models:\n  a:\n    default_version: v1\n    versions: {}",
      at(4, "models.a.versions: a model needs at least one version")
    ],
    [
      "a default version that is not there",
      sample.replace("\"v1\"", "\"baseline\""),
      at(3, "models.sentiment.default_version: this model has no version \"baseline\": it has v1, v2")
    ],
    [
      "a default version that is retired",
      sample.replace("\"active\"", "\"retired\""),
      at(3, "models.sentiment.default_version: version \"v1\" is retired and may not answer: name an active one")
    ],
    [
      "a number as a version",
      sample.replace("\"v1\"", "1.0"),
      at(3, "models.sentiment.default_version: expected text, got 1: put it in quotes")
    ],
    [
      "a status that is mistyped",
      sample.replace("\"candidate\"", "candidat"),
      at(
        6,
        "models.sentiment.versions.v2.status: expected \"active\" | \"candidate\" | \"retired\", got \"candidat\" " +
          "(did you mean \"candidate\"?)"
      )
    ],
    [
      "a mistyped field",
      sample.replace("path: \"models/sentiment_v2", "pth: \"models/sentiment_v2"),
      [
        at(6, "models.sentiment.versions.v2.pth: unknown field (did you mean \"path\"?)"),
        at(6, "models.sentiment.versions.v2.path: this field is required")
      ].join("\n")
    ],
    [
      "a default model that is not there",
      `default_model: sentimnt\n${sample}`,
      at(1, "default_model: no model is named \"sentimnt\" (did you mean \"sentiment\"?)")
    ],
    [
      "an invalid name",
      sample.replace("  sentiment:", "  \"a b\":"),
      at(2, "models.a b: a model's name has 1 to 128 letters, digits, '.', '_' or '-', starting with a letter or digit")
    ],
    [
      "an invalid version",
      sample.replace("      v2:", "      \"../v2\":").replace("\"v2\" }\n", "\"../v2\" }\n"),
      at(
        6,
        "models.sentiment.versions.../v2: a version's name has 1 to 128 letters, digits, '.', '_' or '-', starting with a " +
          "letter or digit"
      )
    ],
    [
      "two models of one name",
      `${sample}  sentiment: {}\n`,
      at(8, "models.sentiment: there are two of this name, on lines 2 and 8: rename or remove one")
    ],
    [
      "two versions of one name",
      sample.replace("      v2:", "      v1:"),
      at(6, "models.sentiment.versions.v1: there are two of this name, on lines 5 and 6: rename or remove one")
    ],
    [
      "a variant in the version's own precision",
      sample.replace("status: \"active\"", "variants: { fp32: x }"),
      at(5, "models.sentiment.versions.v1.variants.fp32: fp32 is the precision of path itself")
    ],
    [
      "no instances",
      sample.replace("status: \"active\"", "instances: 0"),
      at(5, "models.sentiment.versions.v1.instances: expected a whole number from 1 to 1024, got 0")
    ],
    [
      "a run that may take no time",
      sample.replace("status: \"active\"", "run_timeout: 0"),
      at(
        5,
        "models.sentiment.versions.v1.run_timeout: expected a duration above 0, such as \"500 millis\" or \"10s\", " +
          "or a number of seconds, got 0"
      )
    ],
    [
      "a timeout of no time",
      sample.replace("status: \"active\"", "timeout_ms: 0"),
      at(5, "models.sentiment.versions.v1.timeout_ms: expected a value between 1 and 3600000, got 0")
    ],
    [
      "a window that is no duration",
      sample.replace("status: \"active\"", "batching: { window: soon }"),
      at(
        5,
        "models.sentiment.versions.v1.batching.window: expected a duration such as \"5 millis\" or \"10s\", or a number of " +
          "milliseconds, got \"soon\""
      )
    ],
    [
      "a canary that is incomplete",
      rollout("{ type: canary }"),
      [
        at(7, "models.sentiment.rollout_strategy.canary_percentage: this field is required"),
        at(7, "models.sentiment.rollout_strategy.target_version: this field is required")
      ].join("\n")
    ],
    [
      "more than the whole traffic",
      rollout("{ type: shadow, shadow_percentage: 101, target_version: v2 }"),
      at(7, "models.sentiment.rollout_strategy.shadow_percentage: expected a value between 0 and 100, got 101")
    ],
    [
      "a target that is not there",
      rollout("{ type: canary, canary_percentage: 1, target_version: v3 }"),
      at(7, "models.sentiment.rollout_strategy.target_version: this model has no version \"v3\": it has v1, v2")
    ],
    [
      "a target that is the default",
      rollout("{ type: canary, canary_percentage: 1, target_version: v1 }"),
      at(7, "models.sentiment.rollout_strategy.target_version: this is the default version: name the one to try")
    ],
    [
      "weights that come to nothing",
      rollout("{ type: ab_test, weights: { v1: 0, v2: 0 } }"),
      at(7, "models.sentiment.rollout_strategy.weights: the weights add up to 0: give at least one version a share")
    ],
    [
      "a single weight",
      rollout("{ type: ab_test, weights: { v1: 1 } }"),
      at(
        7,
        "models.sentiment.rollout_strategy.weights: an ab_test rollout needs weights for two versions or more, as " +
          "{ v1: 50, v2: 50 }"
      )
    ],
    [
      "a negative weight",
      rollout("{ type: ab_test, weights: { v1: 1, v2: -1 } }"),
      at(7, "models.sentiment.rollout_strategy.weights.v2: expected a value greater than or equal to 0, got -1")
    ],
    [
      "a step that goes nowhere",
      rollout("{ type: canary, canary_percentage: 1, target_version: v2, steps: [5, 50, 50] }"),
      at(7, "models.sentiment.rollout_strategy.steps: each step must be larger than the one before, got 5, 50, 50")
    ],
    [
      "an unknown strategy",
      rollout("{ type: blue_green }"),
      at(
        7,
        "models.sentiment.rollout_strategy.type: expected \"pinned\" | \"canary\" | \"shadow\" | \"ab_test\", got " +
          "\"blue_green\""
      )
    ]
  ])("%s", (_, text, sentence) => {
    assert.strictEqual(complaint(text), sentence)
  })
})
