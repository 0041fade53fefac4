import { assert, describe, it } from "@effect/vitest"
import { loadSettings } from "@sluice/server/config/LoadSettings"
import { placedSettings } from "@sluice/server/config/Settings"
import * as Effect from "effect/Effect"
import * as NodeFs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** A working directory with these files. */
const makeDirectory = (files: Readonly<Record<string, string>>): string => {
  const directory = NodeFs.mkdtempSync(join(tmpdir(), "sluice-settings-"))
  for (const [name, text] of Object.entries(files)) {
    NodeFs.mkdirSync(join(directory, name, ".."), { recursive: true })
    NodeFs.writeFileSync(join(directory, name), text)
  }
  return directory
}

describe("loadSettings", () => {
  it.effect("starts without any file", () =>
    Effect.gen(function*() {
      const { settings } = yield* loadSettings({ env: {}, directory: makeDirectory({}) })
      assert.strictEqual(settings.server.port, 8000)
    }))

  it.effect("reads .env and the file that is there by default", () =>
    Effect.gen(function*() {
      const directory = makeDirectory({
        ".env": "# a comment\nexport PORT=9001\nAUTH_TOKEN='quoted#key'\nOTHER=1\n",
        "config/sluice.yaml": "server: { port: 9002, host: localhost }\n"
      })
      const { settings, table } = yield* loadSettings({ env: {}, directory })
      assert.deepStrictEqual([settings.server.port, settings.server.host], [9001, "localhost"])
      const sources = new Map(table.map((row) => [row.key, row.source]))
      assert.strictEqual(sources.get("server.port"), ".env PORT")
      assert.strictEqual(sources.get("auth.token"), ".env AUTH_TOKEN")
      assert.strictEqual(sources.get("server.host"), `${join(directory, "config/sluice.yaml")}:1`)
    }))

  it.effect("reads the file that .env names", () =>
    Effect.gen(function*() {
      const directory = makeDirectory({ ".env": "SLUICE_CONFIG=other.yaml", "other.yaml": "server: { port: 9003 }" })
      const { settings } = yield* loadSettings({ env: {}, directory })
      assert.strictEqual(settings.server.port, 9003)
    }))

  it.effect("insists on a file that is named", () =>
    Effect.gen(function*() {
      const directory = makeDirectory({})
      const error = yield* Effect.flip(loadSettings({ env: { SLUICE_CONFIG: "mine.yaml" }, directory }))
      assert.strictEqual(error.message, `${join(directory, "mine.yaml")}: this file does not exist`)
    }))

  it.effect("does not take an unreadable file for a missing one", () =>
    Effect.gen(function*() {
      const directory = makeDirectory({ "config/sluice.yaml/x": "", ".env/x": "" })
      const dotenv = yield* Effect.flip(loadSettings({ env: {}, directory }))
      assert.strictEqual(dotenv.message, `${join(directory, ".env")}: this is a directory, not a file`)
      NodeFs.rmSync(join(directory, ".env"), { recursive: true })
      const yaml = yield* Effect.flip(loadSettings({ env: {}, directory }))
      assert.strictEqual(yaml.message, `${join(directory, "config/sluice.yaml")}: this is a directory, not a file`)
    }))

  it.effect("refuses a syntax error in the file", () =>
    Effect.gen(function*() {
      const directory = makeDirectory({ "config/sluice.yaml": "server:\n\tport: 1\n" })
      const error = yield* Effect.flip(loadSettings({ env: {}, directory }))
      assert.strictEqual(
        error.message,
        `${join(directory, "config/sluice.yaml")}:2: not valid YAML: Tabs are not allowed as indentation`
      )
    }))
})

describe("the shipped config/sluice.yaml", () => {
  const root = fileURLToPath(new URL("../../../..", import.meta.url))
  const text = NodeFs.readFileSync(join(root, "config/sluice.yaml"), "utf8")

  it.effect("has every line at its default", () =>
    Effect.gen(function*() {
      const shipped = yield* loadSettings({ env: {}, directory: makeDirectory({ "config/sluice.yaml": text }) })
      const bare = yield* loadSettings({ env: {}, directory: makeDirectory({}) })
      const valuesOf = (table: typeof shipped.table) =>
        table.map(({ key, value }) => [key, value.replace(/.*\/(config\/)/, "$1")])
      assert.deepStrictEqual(valuesOf(shipped.table), valuesOf(bare.table))
      const fromFile = shipped.table.filter((row) => row.source !== "default").length
      assert.isAbove(fromFile, 20)
    }))

  it("names every setting, if only in a comment", () => {
    const named = new Set(text.split("\n").map((line) => /^\s*(?:# )?([a-z_]+):/.exec(line)?.[1]))
    const missing = placedSettings.filter(({ path, setting }) => setting.inYaml && !named.has(path.at(-1)))
    assert.deepStrictEqual(missing.map(({ key }) => key), [])
  })
})
