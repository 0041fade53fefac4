/**
 * A worker that is a process of its own: whatever native code does there, it does to itself only.
 */
import { type ChildProcess, fork } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { compileCache } from "./SpareWorkers.ts"
import type { StartLink } from "./WorkerLink.ts"
import type { FromWorker } from "./WorkerProtocol.ts"

const entry = fileURLToPath(new URL("./WorkerMain.ts", import.meta.url))

/** `--inspect` and its kin open a port, which is this process's own. */
const isDebugFlag = (flag: string): boolean => /^--(inspect|debug)/.test(flag)

const withoutDebugFlags = ({ NODE_OPTIONS, ...env }: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  NODE_OPTIONS === undefined
    ? env
    : { ...env, NODE_OPTIONS: NODE_OPTIONS.split(" ").filter((flag) => !isDebugFlag(flag)).join(" ") }

/** Starts it with this process's flags and environment, but for the debugger's. */
export const startProcess = (): ChildProcess =>
  fork(entry, [], {
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    execArgv: process.execArgv.filter((flag) => !isDebugFlag(flag)),
    env: { ...compileCache, ...withoutDebugFlags(process.env) }
  })

export const processLink = (start: () => ChildProcess = startProcess): StartLink => (events) => {
  const child = start()
  let ended = false
  const end = (reason: string): void => {
    if (ended) return
    ended = true
    events.onEnd(reason)
  }
  child.on("message", (message) => events.onMessage(message as FromWorker))
  child.on("error", (error) => {
    // One that never started has no exit.
    if (child.pid === undefined) end(`the process cannot be started: ${error.message}`)
  })
  child.once(
    "exit",
    (code, signal) =>
      end(signal === null ? `the process ended with code ${code}` : `the process was ended by ${signal}`)
  )
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface(stream).on("line", events.onLine)
  }
  return {
    // A channel that is closed is followed by the exit, which settles what was sent.
    post: (message) => void child.send(message, () => undefined),
    killable: true,
    kill: () => void child.kill("SIGKILL")
  }
}
