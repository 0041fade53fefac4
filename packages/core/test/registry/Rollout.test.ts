import { assert, describe, it } from "@effect/vitest"
import { parseYaml } from "@sluice/core/config/YamlDocument"
import { decodeRegistry } from "@sluice/core/registry/RegistryDecode"
import { route } from "@sluice/core/registry/Rollout"
import { ModelNotFound, VersionNotFound, VersionRetired } from "@sluice/domain/Errors"
import * as Result from "effect/Result"
import * as fc from "fast-check"
import { stringify } from "yaml"

const registry = Result.getOrThrow(Result.flatMap(
  parseYaml(
    stringify({
      default_model: "b",
      models: {
        a: { default_version: "v1", versions: { v1: { path: "x" } } },
        b: {
          default_version: "v2",
          versions: {
            v1: { path: "x", status: "retired" },
            v2: { path: "x" },
            v3: { path: "x", status: "candidate" }
          },
          rollout_strategy: { type: "canary", canary_percentage: 50, target_version: "v3" }
        }
      }
    }),
    "registry.yaml"
  ),
  decodeRegistry
))

const answering = (model: string | undefined, version: string | undefined) =>
  Result.map(route(registry, model, version), (entry) => `${entry.model}@${entry.version}`)

describe("route", () => {
  it.each([
    [undefined, undefined, "b@v2"],
    ["a", undefined, "a@v1"],
    ["b", "v3", "b@v3"],
    [undefined, "v3", "b@v3"]
  ])("sends model %j version %j to %s", (model, version, chosen) => {
    assert.deepStrictEqual(answering(model, version), Result.succeed(chosen))
  })

  it.each([
    ["c", undefined, new ModelNotFound({ model: "c" })],
    ["a", "v9", new VersionNotFound({ model: "a", version: "v9" })],
    ["b", "v1", new VersionRetired({ model: "b", version: "v1" })],
    ["__proto__", undefined, new ModelNotFound({ model: "__proto__" })],
    ["a", "constructor", new VersionNotFound({ model: "a", version: "constructor" })]
  ])("refuses model %j version %j", (model, version, error) => {
    const result = answering(model, version)
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.strictEqual(result.failure._tag, error._tag)
      assert.strictEqual(result.failure.message, error.message)
    }
  })

  it("gives an explicit version or an error, and never another version", () => {
    fc.assert(fc.property(fc.constantFrom("a", "b"), fc.constantFrom("v1", "v2", "v3", "v4"), (model, version) => {
      const result = route(registry, model, version)
      if (Result.isSuccess(result)) {
        assert.deepStrictEqual([result.success.model, result.success.version], [model, version])
        assert.notStrictEqual(result.success.status, "retired")
      } else assert.oneOf(result.failure._tag, ["VersionNotFound", "VersionRetired"])
    }))
  })
})
