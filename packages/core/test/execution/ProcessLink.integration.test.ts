import { afterEach, assert, describe, it } from "@effect/vitest"
import { processLink } from "@sluice/core/execution/ProcessLink"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { orders } from "../fixtures/ScriptedPlugin.ts"
import { connect, numbers } from "./WorkerLinkConformance.ts"

const host = fileURLToPath(new URL("../fixtures/ProcessHost.ts", import.meta.url))

/** What `ps` shows for a process; undefined when there is none, or none but its exit code. */
const shownAs = (pid: number): string | undefined => {
  try {
    const shown = execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8" }).trim()
    return shown === "" || shown.includes("<defunct>") ? undefined : shown
  } catch {
    return undefined
  }
}

describe("a worker process", () => {
  const started: Array<ChildProcess> = []
  afterEach(() => started.splice(0).forEach((child) => child.kill("SIGKILL")))

  const startHost = async (flags: ReadonlyArray<string> = [], env: NodeJS.ProcessEnv = {}) => {
    const process_ = spawn(process.execPath, [...flags, host], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "ignore"]
    })
    started.push(process_)
    const [line] = await once(createInterface(process_.stdout), "line")
    const { lines, pid }: { readonly pid: number; readonly lines: ReadonlyArray<string> } = JSON.parse(String(line))
    return { process: process_, pid, lines }
  }

  const crashes = (name: string, order: number, signal: string) =>
    it(`tells how it ended: ${name}`, async () => {
      const worker = connect(processLink())
      await worker.load("ScriptedPlugin")
      worker.run(numbers(order))
      assert.include(await worker.ended(), signal)
    })
  crashes("a segmentation fault", orders.segfault, "SIGSEGV")
  crashes("an abort of native code", orders.abort, "SIGABRT")

  it("does not outlive its host, however that ended", async () => {
    const { pid, process } = await startHost()
    process.kill("SIGKILL")
    while (shownAs(pid) !== undefined) await new Promise((resolve) => setTimeout(resolve, 10))
  })

  it("bears the model's name, and leaves a terminal's Ctrl-C to its host", async () => {
    const { pid } = await startHost()
    process.kill(pid, "SIGINT")
    process.kill(pid, "SIGTERM")
    const worker = await startHost()
    assert.strictEqual(shownAs(worker.pid), "sluice echo@v7")
    assert.strictEqual(shownAs(pid), "sluice echo@v7")
  })

  it("opens no debugger where its host has one", async () => {
    const { lines } = await startHost(["--inspect=127.0.0.1:0"], {
      NODE_OPTIONS: "--inspect-port=0 --inspect=127.0.0.1:0"
    })
    assert.deepStrictEqual(lines, [])
  })
})
