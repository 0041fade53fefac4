/**
 * A worker that is a thread of this process.
 */
import type { Worker } from "node:worker_threads"
import type { StartLink } from "./WorkerLink.ts"

export const threadLink = (start: () => Worker): StartLink => (events) => {
  const worker = start()
  let failure: string | undefined
  worker.on("message", events.onMessage)
  worker.on("messageerror", (error) => events.onUnreadable(error.message))
  worker.on("error", (error) => {
    failure = error instanceof Error ? error.message : String(error)
  })
  worker.once("exit", (code) => events.onEnd(failure ?? `the worker ended with code ${code}`))
  return {
    post: (message, buffers) => worker.postMessage(message, [...buffers]),
    killable: false,
    kill: () => void worker.terminate()
  }
}
