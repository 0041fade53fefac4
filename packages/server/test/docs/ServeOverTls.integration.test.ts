/**
 * Does what docs/how-to/serve-over-tls.md tells a user to do, in its order, on a port of this test's own.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, temporaryDirectory } from "../harness/ServerProcess.ts"
import { fencedBlocks, root } from "./Markdown.ts"

const execute = promisify(execFile)
const page = "docs/how-to/serve-over-tls.md"
const blocks = fencedBlocks(page)

const commandWith = (text: string): string => {
  const found = blocks.filter((block) => block.language === "bash" && block.text.includes(text))
  assert.lengthOf(found, 1, text)
  return found[0]!.text
}

const run = (command: string, folder: string) =>
  Effect.promise(() => execute("bash", ["-c", command], { cwd: folder, env: { PATH: process.env["PATH"] } }))

/** The variables that a command sets for its program. */
const variablesOf = (command: string): Readonly<Record<string, string>> =>
  Object.fromEntries(command.matchAll(/(?:^|\s)([A-Z_]+)=(\S+)/g).map(([, name = "", value = ""]) => [name, value]))

const served = Effect.gen(function*() {
  const folder = yield* temporaryDirectory
  yield* run(commandWith("openssl"), folder)
  const files = Object.entries(variablesOf(commandWith("TLS_CERT="))).map(([name, file]) => [name, join(folder, file)])
  assert.lengthOf(files, 2)
  const { port } = yield* readyServer({
    registry: leanRegistry,
    env: { ...Object.fromEntries(files), DRAIN_DELAY: "0" }
  })
  const asWritten = (text: string) =>
    Effect.map(
      run(
        commandWith(text).replace("localhost:8000", `localhost:${port}`).replace(
          "npx sluice",
          `"${join(root, "packages/cli/bin/sluice")}"`
        ),
        folder
      ),
      ({ stdout }) => stdout.trim()
    )
  return { asWritten }
})

class Served extends Context.Service<Served, Effect.Success<typeof served>>()("sluice/test/Served") {
  static readonly layer = Layer.effect(Served, served)
}

layer(Served.layer, { excludeTestServices: true })(page, (it) => {
  it.effect("is called by curl with the authority that was made", () =>
    Effect.gen(function*() {
      const answer = yield* (yield* Served).asWritten("curl")
      assert.isTrue(blocks.some(({ language, text }) => language === "text" && text === answer))
    }))

  it.effect("is called by the command line, which trusts the authority that is named", () =>
    Effect.gen(function*() {
      assert.match(yield* (yield* Served).asWritten("sluice predict"), /positive/)
    }))
})
