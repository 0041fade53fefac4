import { assert, describe, it } from "@effect/vitest"
import { parseYaml } from "@sluice/core/config/YamlDocument"
import { decodeRegistry } from "@sluice/core/registry/RegistryDecode"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { registryOf } from "./Registries.ts"

const entryOf = (fields: object) => {
  const [model] = registryOf({
    m: { default_version: "v2", versions: { v1: { path: "a" }, v2: { path: "b" } }, ...fields },
    other: { default_version: "v1", versions: { v1: { path: "c" } } }
  }).models
  return model!
}

/** The mistakes of a registry whose first model has this line, which is the third. */
const mistakes = (line: string): ReadonlyArray<string> => {
  const text = `models:
  sentiment:
    ${line}
    default_version: v2
    versions:
      v0: { path: a, status: retired }
      v1: { path: b }
      v2: { path: c }
  other:
    default_version: v1
    versions:
      v0: { path: a, status: retired }
      v1: { path: d }
`
  const decoded = Result.flatMap(parseYaml(text, "registry.yaml"), decodeRegistry)
  return Result.isSuccess(decoded) ?
    [] :
    decoded.failure.mistakes.map(({ field, line, problem }) => `${line} ${field}: ${problem}`)
}

const ofModel = { kind: "fallback", model: "other", version: undefined }
const ofVersion = { kind: "fallback", model: "m", version: "v1" }
const ofDefault = { kind: "default", prediction: { prediction: "neutral" } }
const both = { fallback: { model: "other" }, default_answer: { prediction: "neutral" } }

describe("what a model's entry says of the times when it cannot answer", () => {
  it.each<readonly [string, object, object]>([
    ["nothing, and stale answers are given", {}, { stale: true, remedies: [] }],
    ["another version", { fallback: { version: "v1" } }, { stale: true, remedies: [ofVersion] }],
    ["another model", { fallback: { model: "other" } }, { stale: true, remedies: [ofModel] }],
    ["both, the fallback first", both, { stale: true, remedies: [ofModel, ofDefault] }],
    ["an order", { ...both, degradation: ["default", "fallback"] }, { stale: false, remedies: [ofDefault, ofModel] }],
    ["nothing of it", { ...both, degradation: [] }, { stale: false, remedies: [] }]
  ])("may be %s", (_, fields, expected) => assert.deepStrictEqual(entryOf(fields).degradation, expected))

  it("may have rules for its circuits", () => {
    assert.isUndefined(entryOf({}).breaker)
    assert.deepStrictEqual(entryOf({ breaker: { policy: "rate", minimum_calls: 5, open_duration: 2 } }).breaker, {
      policy: "rate",
      failures: undefined,
      rateThreshold: undefined,
      windowCalls: undefined,
      minimumCalls: 5,
      openDuration: Duration.seconds(2)
    })
  })

  it.each([
    ["fallback: {}", /^3 models\.sentiment\.fallback: a model cannot stand in for itself/],
    ["fallback: { model: sentiment }", /^3 models\.sentiment\.fallback: a model cannot stand in for itself/],
    ["fallback: { version: v2 }", /^3 models\.sentiment\.fallback\.version: this is the version that answers/],
    ["fallback: { version: v0 }", /^3 models\.sentiment\.fallback\.version: version "v0" is retired/],
    ["fallback: { version: v9 }", /^3 models\.sentiment\.fallback\.version: model "sentiment" has no version "v9"/],
    ["fallback: { model: othre }", /^3 models\.sentiment\.fallback\.model: no model is named "othre".*other/],
    ["fallback: { model: other, version: v0 }", /^3 models\.sentiment\.fallback\.version: version "v0" is retired/],
    ["fallback: { model: toString }", /^3 models\.sentiment\.fallback\.model: no model is named/],
    ["degradation: [fallback, stale]", /^3 models\.sentiment\.degradation: stale comes first/],
    ["degradation: [stale, stale]", /^3 models\.sentiment\.degradation: each may be named once/],
    ["default_answer: { probabilities: {} }", /^3 models\.sentiment\.default_answer\.prediction/],
    ["breaker: { open_duration: 2 hours }", /^3 models\.sentiment\.breaker\.open_duration/],
    ["breaker: { rate_threshold: 2 }", /^3 models\.sentiment\.breaker\.rate_threshold/]
  ])("is refused where it says %s", (line, expected) => {
    const found = mistakes(line)
    assert.lengthOf(found, 1, found.join("\n"))
    assert.match(found[0]!, expected)
  })

  it("may name the default version while a rollout tries another", () => {
    const rollout = "rollout_strategy: { type: canary, canary_percentage: 5, target_version: v1 }"
    assert.deepStrictEqual(mistakes(`fallback: { version: v2 }\n    ${rollout}`), [])
  })
})
