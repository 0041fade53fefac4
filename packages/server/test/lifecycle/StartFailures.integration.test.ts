/**
 * What keeps the server from starting: one sentence that says what to change, and exit code 1.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { serve } from "../../src/Serve.ts"
import { call } from "../harness/Http.ts"
import {
  fixture,
  inRepository,
  listeningServer,
  readyServer,
  type ServerOptions,
  spawnServer,
  temporaryDirectory,
  TestServer
} from "../harness/ServerProcess.ts"

const irisPath = inRepository("config/models/iris/model.onnx")

/** The sentence that a start ends with. */
const sentenceOf = Effect.fnUntraced(function*(options: ServerOptions) {
  const server = yield* spawnServer(options)
  const { code, signal, stderr, stdout } = yield* server.ended
  assert.deepStrictEqual({ code, signal }, { code: 1, signal: null }, stderr)
  assert.notInclude(stdout, "listens")
  const lines = stderr.trimEnd().split("\n")
  assert.strictEqual(lines.length, 1, stderr)
  assert.match(stderr, /^sluice: /)
  return stderr.slice("sluice: ".length).trimEnd()
})

/** A registry of one model, whose version has these fields. */
const registryOf = (version: string): string =>
  `models:
  iris:
    default_version: v1
    versions:
      v1: { ${version} }
`

/** A model file that ends early. */
const truncatedModel = (directory: string): string => {
  const file = join(directory, "truncated.onnx")
  writeFileSync(file, readFileSync(irisPath).subarray(0, 5_000))
  return file
}

/** A port that somebody listens on. */
const takenPort = Effect.map(
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer()
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.callback<void>((resume) => void server.close(() => resume(Effect.void)))
  ),
  (server) => (server.address() as AddressInfo).port
)

type Cases = Readonly<Record<string, readonly [options: ServerOptions, sentence: RegExp]>>

const ending: Cases = {
  "a port that is none": [
    { env: { PORT: "http" } },
    /^environment variable PORT: expected a whole number from 0 to 65535, got "http"$/
  ],
  "a host that is not this machine's": [
    { env: { HOST: "192.0.2.1" } },
    /^192\.0\.2\.1 is no address of this machine: set HOST$/
  ],
  "a configuration file that is missing": [
    { env: { SLUICE_CONFIG: "/nope/sluice.yaml" } },
    /^\/nope\/sluice\.yaml: this file does not exist$/
  ],
  "a registry that is missing": [
    { env: { MODEL_REGISTRY: "/nope/registry.yaml" } },
    /^\/nope\/registry\.yaml: this file does not exist$/
  ]
}

const refused: Cases = {
  "a mistyped setting": [
    { config: "server:\n  hots: localhost\n" },
    /sluice\.yaml:2: server\.hots: unknown setting \(did you mean "host"\?\)$/
  ],
  "a model file that is missing": [
    { registry: registryOf("path: /nope/model.onnx") },
    /registry\.yaml:5: models\.iris\.versions\.v1\.path: .*\/nope\/model\.onnx/
  ],
  "a line that is no YAML": [
    { registry: "models:\n  iris:\n    default_version: [v1\n    versions: {}\n" },
    /registry\.yaml:\d+: /
  ],
  "a field of the wrong type": [
    { registry: registryOf(`path: ${irisPath}, instances: many`) },
    /registry\.yaml:5: models\.iris\.versions\.v1\.instances: expected/i
  ],
  "a mistyped field": [
    { registry: registryOf(`path: ${irisPath}, pluggin: onnx`) },
    /registry\.yaml:5: models\.iris\.versions\.v1\.pluggin: .*"plugin"/
  ],
  "two models of one name": [
    { registry: `${registryOf(`path: ${irisPath}`)}${registryOf(`path: ${irisPath}`).replace("models:\n", "")}` },
    /registry\.yaml:6: .*iris/
  ],
  "a default version that is missing": [
    { registry: registryOf(`path: ${irisPath}`).replace("default_version: v1", "default_version: v2") },
    /registry\.yaml:3: models\.iris\.default_version: this model has no version "v2"/
  ],
  "a plugin that is not installed": [
    { env: { SLUICE_PLUGINS: "@nobody/plugin" } },
    /^plugin "@nobody\/plugin" is not installed: npm install it, or mend its path$/
  ],
  "a plugin that no setting names": [
    { registry: registryOf(`path: ${irisPath}, plugin: tensorflow`) },
    /registry\.yaml:5: model "iris" version "v1": no plugin is named "tensorflow"; there are text, sklearn-onnx, onnx$/
  ],
  "a plugin of another API version": [
    { env: { SLUICE_PLUGINS: fixture("NextMajor.ts") } },
    /^plugin "next-major" was written for plugin API 2\.0, this server has 1\.\d+$/
  ],
  "a module that is no plugin": [
    { env: { SLUICE_PLUGINS: fixture("NoPlugin.ts") } },
    /^plugin ".*NoPlugin\.ts" has no default export made by definePlugin$/
  ],
  "a plugin that cannot be imported": [
    { env: { SLUICE_PLUGINS: fixture("ThrowsOnImport.ts") } },
    /^plugin ".*ThrowsOnImport\.ts" cannot be imported: .*thrown while it was imported$/
  ],
  "options that the plugin does not know": [
    { registry: registryOf(`path: ${irisPath}, options: { lables: [a] }`) },
    /registry\.yaml:5: model "iris" version "v1": options\.lables: /
  ]
}

describe.concurrent("the process ends, with one sentence and code 1, for", () => {
  it.live.each(Object.entries(ending))(
    "%s",
    ([, [options, expected]]) => Effect.map(sentenceOf(options), (sentence) => assert.match(sentence, expected))
  )

  it.live("a port that is in use, though models are being loaded", () =>
    Effect.gen(function*() {
      const port = yield* takenPort
      const sentence = yield* sentenceOf({ env: { PORT: String(port) } })
      assert.strictEqual(sentence, `port ${port} on 127.0.0.1 is in use: stop what listens there, or set PORT`)
    }))
})

describe("the server does not start with", () => {
  it.live.each(Object.entries(refused))(
    "%s",
    ([, [{ config, env = {}, registry }, expected]]) =>
      Effect.gen(function*() {
        const directory = yield* temporaryDirectory
        const file = (name: string, text: string | undefined) => {
          if (text !== undefined) writeFileSync(join(directory, name), text)
          return text === undefined ? undefined : join(directory, name)
        }
        const files = { SLUICE_CONFIG: file("sluice.yaml", config), MODEL_REGISTRY: file("registry.yaml", registry) }
        const error = yield* Effect.flip(serve({ env: { ...files, ...env }, stop: Effect.never }))
        assert.match(error.message, expected)
        assert.notInclude(error.message, "\n")
      })
  )

  it.live("a model file that is cut short, if only the file tells which plugin it needs", () =>
    Effect.gen(function*() {
      const directory = yield* temporaryDirectory
      const file = truncatedModel(directory)
      writeFileSync(join(directory, "registry.yaml"), registryOf(`path: ${file}`))
      const env = { MODEL_REGISTRY: join(directory, "registry.yaml") }
      const error = yield* Effect.flip(serve({ env, stop: Effect.never }))
      assert.match(error.message, /registry\.yaml:5: model "iris" version "v1": .*truncated\.onnx/)
    }))
})

describe("the server does start with", () => {
  it.live("a model file that is cut short: that version is failed, and says so to operators", () =>
    Effect.gen(function*() {
      const file = truncatedModel(yield* temporaryDirectory)
      const good = `\n      v2: { path: ${irisPath} }\n`
      const server = yield* readyServer({
        registry: registryOf(`path: ${file}, plugin: onnx`).trimEnd() + good
      })
      const predict = (version: string) =>
        call({ path: `/v2/models/iris/versions/${version}/ready` }).pipe(Effect.provideService(TestServer, server))
      assert.deepStrictEqual([(yield* predict("v1")).status, (yield* predict("v2")).status], [503, 200])
      assert.include(server.output(), "iris@v1 could not be loaded")
      assert.include(server.output(), "1 of 2 model versions ready")
    }))

  it.live("the shipped configuration, whatever the working directory", () =>
    Effect.gen(function*() {
      const server = yield* listeningServer({
        cwd: yield* temporaryDirectory,
        env: { SLUICE_CONFIG: inRepository("config/sluice.yaml") }
      })
      assert.isAbove(server.port, 0)
    }))
})
