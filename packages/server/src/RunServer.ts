/**
 * Runs the server as this process: its signals, its exit code, and one sentence when it cannot start.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { withGeneratedKey } from "./config/GeneratedKey.ts"
import { loadSettings } from "./config/LoadSettings.ts"
import type { ServeOptions } from "./Serve.ts"

/** A terminal's Ctrl-C comes from the terminal and again through npm: within this time, in ms, it is one keypress. */
const sameKeypressMs = 100

/** By the signal's default action: `process.exit` would end workers inside native code, which aborts noisily. */
const endAtOnce = (): void => {
  process.removeAllListeners("SIGINT")
  process.kill(process.pid, "SIGINT")
}

/** One process serves itself; of several, this one only holds the others together, and imports no more than that takes. */
const serveBySettings = Effect.fnUntraced(function*({ env, spares, stop }: Omit<ServeOptions, "place">) {
  const resolved = yield* withGeneratedKey(yield* loadSettings({ env }))
  if (resolved.settings.server.workers === 1) {
    const { serveResolved } = yield* Effect.promise(() => import("./Serve.ts"))
    return yield* serveResolved({ env, stop, ...(spares === undefined ? {} : { spares }) }, resolved)
  }
  yield* Effect.promise(async () => spares?.end())
  const { servePrimary } = yield* Effect.promise(() => import("./cluster/Primary.ts"))
  return yield* servePrimary({ env, stop }, resolved)
})

export const runServer = (options: Omit<ServeOptions, "stop" | "place">): void => {
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
  Effect.runFork(serveBySettings({ ...options, stop: Deferred.await(stop) })).addObserver((exit) => {
    if (Exit.isSuccess(exit)) process.exit(0)
    const error = Cause.squash(exit.cause)
    process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  })
}
