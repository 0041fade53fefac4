/**
 * The processes under load: our server as a user starts it, and a bare node:http echo as the limit of HTTP itself.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

export interface Running {
  readonly url: string
  /** From spawn to the line that says it is ready, in milliseconds. */
  readonly readyMs: number
  /** From spawn to the first 200 of `/health`, in milliseconds; NaN for the echo. */
  readonly healthMs: number
  /** Resident memory now, in MiB. */
  readonly residentMiB: () => number
  readonly stop: () => Promise<void>
}

const main = fileURLToPath(import.meta.resolve("@sluice/server/main"))
const echo = fileURLToPath(new URL("./Echo.ts", import.meta.url))

const residentMiB = ({ pid }: ChildProcess): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024

const pollHealth = async (url: string, startedMs: number, child: ChildProcess): Promise<number> => {
  while (child.exitCode === null) {
    const ok = await fetch(`${url}/health`).then((response) => response.ok, () => false)
    if (ok) return performance.now() - startedMs
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return NaN
}

const start = async (script: string, port: number, ready: RegExp, env: Record<string, string>, health: boolean) => {
  const startedMs = performance.now()
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, ...env, PORT: String(port), LOG_LEVEL: "warn" },
    stdio: ["ignore", "pipe", "inherit"]
  })
  const url = `http://127.0.0.1:${port}`
  const healthMs = health ? pollHealth(url, startedMs, child) : Promise.resolve(NaN)
  await new Promise<void>((resolve, reject) => {
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
      if (ready.test(output)) resolve()
    })
    child.once("exit", (code) => reject(new Error(`${script} ended with code ${code}`)))
  })
  const running: Running = {
    url,
    readyMs: performance.now() - startedMs,
    healthMs: await healthMs,
    residentMiB: () => residentMiB(child),
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve())
        child.kill("SIGTERM")
      })
  }
  return running
}

export const startSluice = (port: number, env: Record<string, string> = {}): Promise<Running> =>
  start(main, port, /versions ready/, env, true)

export const startEcho = (port: number): Promise<Running> => start(echo, port, /listens/, {}, false)
