/**
 * Runs the server as this process: its signals, its exit code, and one sentence when it cannot start.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { serve, type ServeOptions } from "./Serve.ts"

/** A terminal's Ctrl-C comes from the terminal and again through npm: within this time, in ms, it is one keypress. */
const sameKeypressMs = 100

/** By the signal's default action: `process.exit` would end workers inside native code, which aborts noisily. */
const endAtOnce = (): void => {
  process.removeAllListeners("SIGINT")
  process.kill(process.pid, "SIGINT")
}

export const runServer = (options: Omit<ServeOptions, "stop">): void => {
  const stop = Deferred.makeUnsafe<void>()
  let interruptedAt: number | undefined
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signal === "SIGINT") {
      const now = performance.now()
      if (interruptedAt !== undefined && now - interruptedAt > sameKeypressMs) endAtOnce()
      interruptedAt ??= now
    }
    Deferred.doneUnsafe(stop, Effect.void)
  }
  // Whoever read what is printed may be gone (`npm start | head`); that is no reason to stop serving.
  process.stdout.on("error", () => undefined)
  process.stderr.on("error", () => undefined)
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
  Effect.runFork(serve({ ...options, stop: Deferred.await(stop) })).addObserver((exit) => {
    if (Exit.isSuccess(exit)) process.exit(0)
    const error = Cause.squash(exit.cause)
    process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  })
}
