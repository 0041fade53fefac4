import { assert, describe, it } from "@effect/vitest"
import { modelFiles } from "@sluice/core/execution/ModelFiles"
import { PluginCatalogue, speaksApi } from "@sluice/core/registry/PluginCatalogue"
import { API_VERSION } from "@sluice/plugin-sdk/Plugin"
import * as Effect from "effect/Effect"
import { dirname, join } from "node:path"

const directory = join(import.meta.dirname, "../fixtures/catalogue")

const catalogueOf = (...names: ReadonlyArray<string>) =>
  Effect.provide(PluginCatalogue, PluginCatalogue.layer(names, directory))

const refusal = (effect: Effect.Effect<unknown, { readonly message: string }>) =>
  Effect.map(Effect.flip(effect), (error) => error.message)

describe("speaksApi", () => {
  it.each([
    ["1.0", "1.0", true],
    ["1.0", "1.3", true],
    ["1.3", "1.3", true],
    ["1.4", "1.3", false],
    ["0.9", "1.3", false],
    ["2.0", "1.3", false],
    ["1", "1.3", false],
    ["1.x", "1.3", false],
    ["", "1.3", false]
  ])("says of a plugin of API %j on a host of %j: %s", (theirs, ours, speaks) => {
    assert.strictEqual(speaksApi(theirs, ours), speaks)
  })
})

describe("PluginCatalogue", () => {
  it.effect.each<readonly [string, RegExp]>([
    ["./NoDefaultExport.ts", /"\.\/NoDefaultExport\.ts".*definePlugin/],
    ["./NoSchema.ts", /"\.\/NoSchema\.ts".*definePlugin/],
    ["./ThrowsOnImport.ts", /"\.\/ThrowsOnImport\.ts".*a bug at the top/],
    ["./NoSuchFile.ts", /"\.\/NoSuchFile\.ts"/],
    ["@sluice/no-such-plugin", /"@sluice\/no-such-plugin" is not installed.*npm install/]
  ])("refuses %s, and says why", ([name, reason]) =>
    Effect.gen(function*() {
      assert.match(yield* refusal(catalogueOf("./First.ts", name)), reason)
    }))

  it.effect("refuses a plugin of another API version, naming both", () =>
    Effect.gen(function*() {
      const reason = yield* refusal(catalogueOf("./NextMajor.ts"))
      assert.include(reason, `"next-major"`)
      assert.include(reason, "2.0")
      assert.include(reason, API_VERSION)
    }))

  it.effect("refuses two plugins of one name, for an entry could mean either", () =>
    Effect.gen(function*() {
      const reason = yield* refusal(catalogueOf("./Second.ts", "./SecondAgain.ts"))
      assert.match(reason, /"second".*"\.\/Second\.ts".*"\.\/SecondAgain\.ts"/)
    }))

  it.effect("finds plugins by path and by package name", () =>
    Effect.gen(function*() {
      const absolute = join(directory, "Second.ts")
      const { plugins } = yield* catalogueOf("./First.ts", absolute, "@sluice/plugin-onnx")
      assert.deepStrictEqual(plugins.map(({ plugin }) => plugin.name), ["first", "second", "onnx"])
      assert.isTrue(plugins.every(({ url }) => url.startsWith("file:///")))
    }))

  describe("choose", () => {
    const choose = Effect.fnUntraced(
      function*(name: string | undefined, file: string, order = ["./First.ts", "./Second.ts"]) {
        const catalogue = yield* catalogueOf(...order)
        return yield* catalogue.choose(name, modelFiles(join(dirname(directory), file)))
      }
    )

    it.effect("takes the plugin that the entry names, whatever the file", () =>
      Effect.gen(function*() {
        const { plugin, reason } = yield* choose("second", "model.first")
        assert.strictEqual(plugin.name, "second")
        assert.include(reason, "names it")
      }))

    it.effect("takes the first in the configuration's order that recognises the file, with its reason", () =>
      Effect.gen(function*() {
        const chosen = [
          yield* choose(undefined, "model.second"),
          yield* choose(undefined, "model.both"),
          yield* choose(undefined, "model.both", ["./Second.ts", "./First.ts"])
        ]
        assert.deepStrictEqual(chosen.map(({ plugin, reason }) => [plugin.name, reason]), [
          ["second", "it looks like it"],
          ["first", "its name ends so"],
          ["second", "it looks like it"]
        ])
      }))

    it.effect.each<readonly [string | undefined, string, RegExp]>([
      ["third", "model.first", /"third".*first, second/],
      [undefined, "model.none", /first, second.*"plugin:"/],
      [undefined, "model.broken", /"second".*truncated/],
      [undefined, "model.throws", /"second".*a bug in recognise/]
    ])("refuses plugin %s for %s, and says why", ([name, file, reason]) =>
      Effect.gen(function*() {
        assert.match(yield* refusal(choose(name, file)), reason)
      }))
  })
})
