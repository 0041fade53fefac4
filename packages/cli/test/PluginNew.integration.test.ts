/**
 * `sluice plugin new`: what it writes is a plugin that passes its tests, type-checks, and is served as it says.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { inRepository, readyServer } from "../../server/test/harness/ServerProcess.ts"
import { sluice, temporaryFolder } from "./SluiceProcess.ts"

/** A workspace of its own with the repository's settings and packages. */
const workspace = Effect.map(temporaryFolder, (folder) => {
  symlinkSync(inRepository("node_modules"), join(folder, "node_modules"))
  for (const file of ["tsconfig.json", "vitest.workspace.ts", ".oxlintrc.json", ".dprint.json"]) {
    cpSync(inRepository(file), join(folder, file))
  }
  writeFileSync(join(folder, "package.json"), "{ \"type\": \"module\" }")
  mkdirSync(join(folder, "config"))
  return folder
})

const tool = (name: string): string => inRepository(`node_modules/.bin/${name}`)

it.live("writes a plugin that passes its own tests and the repository's checks", () =>
  Effect.gen(function*() {
    const cwd = yield* workspace
    const created = yield* sluice(["plugin", "new", "my-backend"], { cwd })
    assert.strictEqual(created.code, 0)
    assert.deepStrictEqual(readdirSync(join(cwd, "plugins/my-backend"), { recursive: true }).map(String).toSorted(), [
      "README.md",
      "example",
      "example/price.linear.json",
      "package.json",
      "src",
      "src/main.ts",
      "test",
      "test/MyBackend.test.ts"
    ])

    const vitest = yield* sluice(["run", "--config", "vitest.workspace.ts", "plugins/my-backend"], {
      cwd,
      env: { NO_COLOR: "1" },
      program: [process.execPath, inRepository("node_modules/vitest/vitest.mjs")]
    })
    assert.strictEqual(vitest.code, 0, vitest.stdout + vitest.stderr)
    // The promises of the contract, and the plugin's own.
    assert.match(vitest.stdout, /Tests +12 passed/)

    const types = yield* sluice([], { cwd, program: [tool("tsc")] })
    assert.deepStrictEqual([types.code, types.stdout], [0, ""])
    const format = yield* sluice(["check", "plugins/**"], { cwd, program: [tool("dprint")] })
    assert.deepStrictEqual([format.code, format.stdout], [0, ""])
    const lint = yield* sluice(["plugins"], { cwd, program: [tool("oxlint")] })
    assert.strictEqual(lint.code, 0, lint.stdout)
  }))

it.live("says what to add to the configuration, and a server that has it serves the plugin", () =>
  Effect.gen(function*() {
    const cwd = yield* workspace
    const { stdout } = yield* sluice(["plugin", "new", "my-backend"], { cwd })
    const plugins = /^ {4}(plugins: \[.*\])$/m.exec(stdout)?.[1] ?? ""
    const registry = /^ {4}models:\n(?: {6}.*\n)+/m.exec(stdout)?.[0].replaceAll(/^ {4}/gm, "") ?? ""
    assert.match(plugins, /my-backend.*@sluice\/plugin-text/)
    writeFileSync(join(cwd, "config/sluice.yaml"), plugins)
    writeFileSync(join(cwd, "config/model_registry.yaml"), registry)

    const listed = yield* sluice(["models", "--offline"], { cwd })
    assert.match(
      listed.stdout,
      /^price@v1 \(default\) .* my-backend +the registry entry names it +plugins\/my-backend/m
    )

    const server = yield* readyServer({
      env: { SLUICE_CONFIG: join(cwd, "config/sluice.yaml"), MODEL_REGISTRY: join(cwd, "config/model_registry.yaml") }
    })
    const url = `http://localhost:${server.port}`
    const predicted = yield* sluice(["predict", "price", "-", "--url", url], { input: "[3, 2]\n[0, -1]\n" })
    assert.match(predicted.stdout, /^3, 2 +671\.5$/m)
    assert.match(predicted.stdout, /^0, -1 +220$/m)
  }))

it.live("leaves what exists as it is", () =>
  Effect.gen(function*() {
    const cwd = yield* workspace
    mkdirSync(join(cwd, "plugins/mine"), { recursive: true })
    writeFileSync(join(cwd, "plugins/mine/notes.txt"), "keep me")
    for (const args of [["mine"], ["other", "--directory", "plugins/mine/"]]) {
      const { code, stderr, stdout } = yield* sluice(["plugin", "new", ...args], { cwd })
      assert.deepStrictEqual([code, stdout], [1, ""])
      assert.match(stderr, /^sluice: plugins\/mine exists already and is left as it is: choose another name/m)
    }
    assert.deepStrictEqual(readdirSync(join(cwd, "plugins/mine")), ["notes.txt"])
    assert.strictEqual(readFileSync(join(cwd, "plugins/mine/notes.txt"), "utf8"), "keep me")
  }))

it.live("refuses what is no name, and writes nothing", () =>
  Effect.gen(function*() {
    const cwd = yield* workspace
    const { code, stderr } = yield* sluice(["plugin", "new", "../up"], { cwd })
    assert.strictEqual(code, 2)
    assert.match(stderr, /^sluice: "\.\.\/up" cannot be a plugin's name: it has lower-case letters and digits/m)
    assert.deepStrictEqual([existsSync(join(cwd, "plugins")), existsSync(join(cwd, "up"))], [false, false])
  }))

it.live("writes where it is told to, with a note where the workspace's packages are not", () =>
  Effect.gen(function*() {
    const cwd = yield* workspace
    const { code, stderr } = yield* sluice(["plugin", "new", "far", "--directory", "elsewhere/far"], { cwd })
    assert.strictEqual(code, 0)
    assert.match(stderr, /^note: elsewhere\/far is outside the workspace /m)
    assert.isTrue(existsSync(join(cwd, "elsewhere/far/src/main.ts")))
    assert.include(readFileSync(join(cwd, "elsewhere/far/src/main.ts"), "utf8"), "name: \"far\"")
  }))
