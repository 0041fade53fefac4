/**
 * What a plugin may be called, and the lines that wire it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parsePluginName, pascalCase } from "../src/plugin/PluginName.ts"
import { pluginsValue, registryLines } from "../src/plugin/PluginWiring.ts"

describe("a plugin's name", () => {
  it.each(["a", "my-backend", "gpt2", "a-1-b", "x".repeat(64)])("may be %s", (name) => {
    assert.deepStrictEqual(parsePluginName(name), Result.succeed(name))
  })

  it.each(["", "My-backend", "my_backend", "-a", "a-", "a--b", "1a", "../a", "a/b", "a.b", "a b", "é", "x".repeat(65)])(
    "may not be %j",
    (name) => {
      assert.isTrue(Result.isFailure(parsePluginName(name)))
    }
  )

  it("names its test in PascalCase", () => {
    assert.deepStrictEqual(["a", "my-backend", "gpt2-x"].map(pascalCase), ["A", "MyBackend", "Gpt2X"])
  })
})

describe("the wiring of a plugin", () => {
  const wiring = {
    name: "my-backend",
    folder: "plugins/my-backend",
    configFile: "config/sluice.yaml",
    registryFile: "config/model_registry.yaml",
    plugins: ["./plugins/other/src/main.ts", "@sluice/plugin-text", "../near/main.ts"]
  }

  it("puts it first, and counts paths from the settings file", () => {
    assert.strictEqual(
      pluginsValue(wiring),
      "\"../plugins/my-backend/src/main.ts\", \"../plugins/other/src/main.ts\", \"@sluice/plugin-text\", \"../../near/main.ts\""
    )
    assert.strictEqual(
      pluginsValue({ ...wiring, configFile: "sluice.yaml", plugins: [] }),
      "\"./plugins/my-backend/src/main.ts\""
    )
  })

  it("names its example from the registry file", () => {
    assert.include(
      registryLines(wiring).join("\n"),
      "v1: { path: \"../plugins/my-backend/example/price.linear.json\", plugin: \"my-backend\" }"
    )
  })
})
