/**
 * The processes under load: each a child of this one, ready when it is returned.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { residentMiB } from "./ProcessTree.ts"

export interface Running {
  readonly url: string
  /** From spawn to when it is ready, in milliseconds. */
  readonly readyMs: number
  /** Resident memory now, of the process and those that it started, in MiB. */
  readonly residentMiB: () => number
  /** Waits until it has ended. */
  readonly stop: () => Promise<void>
}

export interface Program {
  readonly name: string
  readonly command: string
  readonly arguments: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  /** What it prints when it is ready. */
  readonly ready: RegExp
}

const sluiceMain = fileURLToPath(import.meta.resolve("@sluice/server/main"))
const echoMain = fileURLToPath(new URL("../references/Echo.ts", import.meta.url))
const mostReadyMs = 120_000
/** Longer than the server gives its last requests. */
const mostStopMs = 45_000

/** Resolves when the output has it; rejects when the process ends before, or takes too long. */
const printed = (child: ChildProcess, { name, ready }: Program): Promise<void> =>
  new Promise((resolve, reject) => {
    let output = ""
    let isReady = false
    const tooLong = setTimeout(() => reject(new Error(`${name} is not ready: ${output}`)), mostReadyMs)
    const hear = (chunk: Buffer): void => {
      if (isReady) return // Read on all the same, so that the process is never held up by a full pipe
      output += chunk.toString()
      isReady = ready.test(output)
      if (!isReady) return
      clearTimeout(tooLong)
      resolve()
    }
    child.stdout?.on("data", hear)
    child.stderr?.on("data", hear)
    child.once("error", reject)
    child.once("exit", (code) => {
      clearTimeout(tooLong)
      reject(new Error(`${name} ended with code ${code}: ${output}`))
    })
  })

/** Starts a program that listens on that port of the loopback. */
export const startProgram = async (program: Program, port: number): Promise<Running> => {
  const startedMs = performance.now()
  const child = spawn(program.command, program.arguments, {
    env: { ...process.env, ...program.env, PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const end = (signal: NodeJS.Signals) => async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, "exit")
    child.kill(signal)
    const kill = setTimeout(() => child.kill("SIGKILL"), mostStopMs)
    await exit
    clearTimeout(kill)
  }
  try {
    await printed(child, program)
  } catch (error) {
    await end("SIGKILL")()
    throw error
  }
  const { pid } = child
  return {
    url: `http://127.0.0.1:${port}`,
    readyMs: performance.now() - startedMs,
    residentMiB: () => pid === undefined ? NaN : residentMiB(pid),
    stop: end("SIGTERM")
  }
}

/** Our server as a user starts it. Rejects when a model version is not ready. */
export const startSluice = async (port: number, env: Readonly<Record<string, string>>): Promise<Running> => {
  const running = await startProgram({
    name: "the server",
    command: process.execPath,
    arguments: [sluiceMain],
    env: { LOG_LEVEL: "error", DRAIN_DELAY: "0", ...env },
    ready: /\d+ of \d+ model versions ready/
  }, port)
  const { status } = await fetch(`${running.url}/readiness`)
  if (status === 200) return running
  const models = await (await fetch(`${running.url}/models`)).text()
  await running.stop()
  throw new Error(`the server is not ready: ${models}`)
}

/** An empty Redis that keeps nothing on disk. Its URL has its own scheme. */
export const startRedis = async (port: number): Promise<Running> => {
  const running = await startProgram({
    name: "Redis",
    command: "redis-server",
    arguments: ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
    env: {},
    ready: /Ready to accept connections/
  }, port)
  return { ...running, url: `redis://127.0.0.1:${port}` }
}

export const startEcho = (port: number): Promise<Running> =>
  startProgram(
    { name: "the echo", command: process.execPath, arguments: [echoMain], env: {}, ready: /listens/ },
    port
  )
