/**
 * Does what docs/how-to/give-out-keys.md tells a user to do, in its order.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { execFile, spawnSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { http } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, temporaryDirectory } from "../harness/ServerProcess.ts"
import { fencedBlocks, root } from "./Markdown.ts"

const execute = promisify(execFile)
const page = "docs/how-to/give-out-keys.md"

const blocks = fencedBlocks(page)
const shownAfter = (command: string): string => {
  const index = blocks.findIndex(({ language, text }) => language === "bash" && text.includes(command))
  const answer = blocks[index + 1]
  return index >= 0 && answer?.language === "text" ? answer.text.trim() : "the page does not show it"
}
const commandOf = (part: string): string =>
  blocks.find(({ language, text }) => language === "bash" && text.includes(part))?.text ?? `false # no ${part}`

/** But for the key and the time, which differ from run to run. */
const steady = (text: string): string =>
  text.trim().replaceAll(/slc_[A-Za-z0-9_-]{43}/g, "KEY").replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")

/** As the other pages that ask by curl: loudly, and not where skips are forbidden. */
const withoutCurl = process.env["SLUICE_NO_SKIPS"] !== "1" && spawnSync("curl", ["--version"]).status !== 0

describe(page, () => {
  it.live.skipIf(withoutCurl)(
    "makes a key, calls with it, lists it and takes it back, as it shows",
    () =>
      Effect.gen(function*() {
        const folder = yield* temporaryDirectory
        mkdirSync(join(folder, "config"))
        const run = (command: string, env: Readonly<Record<string, string>> = {}) =>
          Effect.promise(async () => {
            const text = command.replace("npx sluice", `"${join(root, "packages/cli/bin/sluice")}"`)
            const options = { cwd: folder, env: { PATH: process.env["PATH"], ...env } }
            return (await execute("bash", ["-c", text], options)).stdout
          })
        const key = yield* run(commandOf("keys create"))
        assert.strictEqual(steady(key), steady(shownAfter("keys create")))
        const API_KEYS_FILE = join(folder, /API_KEYS_FILE=(\S+)/.exec(commandOf("API_KEYS_FILE="))?.[1] ?? "none")
        const { port } = yield* readyServer({ registry: leanRegistry, env: { API_KEYS_FILE } })
        const call = commandOf("authorization: Bearer").replace("localhost:8000", `localhost:${port}`)
        assert.include(yield* run(call, { KEY: key.trim() }), "\"prediction\":\"setosa\"")
        assert.strictEqual(steady(yield* run("npx sluice keys list")), steady(shownAfter("keys list")))
        assert.strictEqual(steady(yield* run(commandOf("keys revoke"))), steady(shownAfter("keys revoke")))
        yield* http({ port, path: "/models", headers: { "x-token": key.trim() } }).pipe(
          Effect.repeat({ until: ({ status }) => status === 401, schedule: Schedule.spaced("10 millis") })
        )
      })
  )
})
