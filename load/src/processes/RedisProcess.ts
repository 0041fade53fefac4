/**
 * A redis-server of a scenario's own, which it can harm: nothing of it is kept on disk.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { connect } from "node:net"
import { Skipped } from "../report/Outcome.ts"

export interface RedisProcess {
  readonly url: string
  /** Ends it at once, as a crash does. */
  readonly kill: () => Promise<void>
  /** Starts it again, empty. */
  readonly restart: () => Promise<void>
  /** It keeps its connections and answers nothing, until it is resumed. */
  readonly stall: () => void
  readonly resume: () => void
  /** One command, in Redis' inline form. */
  readonly command: (line: string) => Promise<void>
}

const start = (port: number): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn(
      "redis-server",
      ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
      { stdio: ["ignore", "pipe", "inherit"] }
    )
    let output = ""
    child.once("error", (cause) => reject(new Skipped(`no redis-server on PATH: ${cause.message}`)))
    child.once("exit", () => reject(new Error(`redis-server ended: ${output}`)))
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes("Ready to accept connections")) resolve(child)
    })
  })

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, "exit")
  child.kill("SIGKILL")
  await exit
}

/** Throws `Skipped` where this machine has no redis-server. */
export const startRedisToHarm = async (port: number): Promise<RedisProcess> => {
  let child = await start(port)
  return {
    url: `redis://127.0.0.1:${port}/0`,
    kill: () => end(child),
    restart: async () => {
      await end(child)
      child = await start(port)
    },
    stall: () => {
      child.kill("SIGSTOP")
    },
    resume: () => {
      child.kill("SIGCONT")
    },
    command: async (line) => {
      const socket = connect(port, "127.0.0.1")
      await once(socket, "connect")
      socket.write(`${line}\r\n`)
      const [reply] = await once(socket, "data")
      socket.destroy()
      if (String(reply).startsWith("-")) throw new Error(`redis-server refused ${line}: ${String(reply)}`)
    }
  }
}
