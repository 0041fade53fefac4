/**
 * Runs the server as this process: its signals, its exit code, and one sentence when it cannot start.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { serve, type ServeOptions } from "./Serve.ts"

export const runServer = (options: Omit<ServeOptions, "stop">): void => {
  const stop = Deferred.makeUnsafe<void>()
  let signals = 0
  const onSignal = (signal: NodeJS.Signals): void => {
    if (signals++ > 0 && signal === "SIGINT") {
      // By the signal's default action: `process.exit` would end workers inside native code, which aborts noisily.
      process.removeAllListeners("SIGINT")
      process.kill(process.pid, "SIGINT")
    }
    Deferred.doneUnsafe(stop, Effect.void)
  }
  process.on("SIGINT", onSignal)
  process.on("SIGTERM", onSignal)
  Effect.runFork(serve({ ...options, stop: Deferred.await(stop) })).addObserver((exit) => {
    if (Exit.isSuccess(exit)) process.exit(0)
    const error = Cause.squash(exit.cause)
    process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  })
}
