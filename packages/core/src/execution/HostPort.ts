/**
 * A worker's end of its line to the host: a thread's message port, or a child process's channel.
 */
import { parentPort } from "node:worker_threads"
import type { FromWorker, ToWorker } from "./WorkerProtocol.ts"

export interface HostPort {
  readonly post: (message: FromWorker, buffers: ReadonlyArray<ArrayBuffer>) => void
  readonly listen: (receive: (message: ToWorker) => void) => void
  /** Ends this worker once what it has posted is on its way. */
  readonly end: () => void
  /** What `ps` shows for it, where it is a process. */
  readonly setTitle: (title: string) => void
}

const threadPort = (port: NonNullable<typeof parentPort>): HostPort => ({
  post: (message, buffers) => port.postMessage(message, [...buffers]),
  listen: (receive) => port.on("message", receive),
  end: () => process.exit(0),
  setTitle: () => undefined
})

/** Ends with the host, whichever way that ends. The host decides when, so a terminal's Ctrl-C is not for this process. */
const processPort = (): HostPort => {
  process.on("disconnect", () => process.exit(0))
  process.on("SIGINT", () => undefined)
  process.on("SIGTERM", () => undefined)
  let unsent = 0
  let ending = false
  const endIfSent = (): void => {
    if (ending && unsent === 0) process.disconnect()
  }
  return {
    post: (message) => {
      process.send?.(message, undefined, undefined, () => {
        unsent--
        endIfSent()
      })
      unsent++
    },
    listen: (receive) => process.on("message", (message) => receive(message as ToWorker)),
    end: () => {
      ending = true
      endIfSent()
    },
    setTitle: (title) => {
      process.title = title
    }
  }
}

export const openHostPort = (): HostPort => parentPort === null ? processPort() : threadPort(parentPort)
