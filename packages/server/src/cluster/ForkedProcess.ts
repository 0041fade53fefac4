/**
 * A serving process as its primary sees it.
 */
import type { VersionInfo } from "@sluice/core/registry/ModelRegistry"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import cluster from "node:cluster"
import { fileURLToPath } from "node:url"
import type { BoundPorts } from "../Banner.ts"
import type { Variables } from "../config/Settings.ts"
import { type FromPrimary, type FromProcess, type ProcessArguments, writeArguments } from "./ClusterMessages.ts"
import { trackConnections } from "./HandedConnections.ts"

export interface Listening {
  readonly ports: BoundPorts
  readonly notices: ReadonlyArray<string>
}

export interface ForkedProcess {
  readonly number: number
  readonly listensFirst: boolean
  readonly pid: number | undefined
  readonly listening: Deferred.Deferred<Listening>
  readonly ready: Deferred.Deferred<ReadonlyArray<VersionInfo>>
  readonly isReady: () => boolean
  /** Why it ended: its own sentence, or how the system says it went. */
  readonly ended: Deferred.Deferred<string>
  readonly tell: (message: FromPrimary) => void
  readonly kill: () => void
}

/** What concerns the other processes as well. */
type ForOthers = Exclude<FromProcess, { readonly _tag: "Listening" | "Ready" | "Failed" }>

const program = fileURLToPath(new URL("./main.ts", import.meta.url))

/** What a process said last may come after its exit; not always does its channel tell when there is nothing more. */
const lastWordsMs = 100

const howItWent = (code: number | null, signal: string | null): string =>
  signal === null ? `exit code ${code}` : `killed by ${signal}`

/** Starts one. It ends with this process, whatever becomes of this one. */
export const forkProcess = (
  place: ProcessArguments,
  env: Variables,
  onMessage: (from: ForkedProcess, message: ForOthers) => void
): ForkedProcess => {
  // Advanced, for JSON has no NaN, which a delay is that was not measured yet.
  cluster.setupPrimary({ exec: program, args: writeArguments(place), serialization: "advanced" })
  const worker = cluster.fork(env)
  const giveConnectionsToOthers = trackConnections(worker)
  let failure: string | undefined
  let wentBy: string | undefined
  let hasEnded = false
  const forked: ForkedProcess = {
    number: place.number,
    listensFirst: place.listensFirst,
    pid: worker.process.pid,
    listening: Deferred.makeUnsafe(),
    ready: Deferred.makeUnsafe(),
    isReady: () => Deferred.isDoneUnsafe(forked.ready),
    ended: Deferred.makeUnsafe(),
    // One that is going has closed its channel, and needs to be told nothing.
    tell: (message) => void worker.send(message, () => undefined),
    kill: () => void worker.process.kill("SIGKILL")
  }
  const end = () => {
    if (wentBy === undefined || hasEnded) return
    hasEnded = true
    giveConnectionsToOthers()
    Deferred.doneUnsafe(forked.ended, Effect.succeed(failure ?? wentBy))
  }
  worker.on("message", (message: FromProcess) => {
    switch (message._tag) {
      case "Listening":
        return void Deferred.doneUnsafe(forked.listening, Effect.succeed(message))
      case "Ready":
        return void Deferred.doneUnsafe(forked.ready, Effect.succeed(message.versions))
      case "Failed":
        failure = message.reason
        return
      default:
        return onMessage(forked, message)
    }
  })
  worker.on("exit", (code: number | null, signal: string | null) => {
    wentBy = howItWent(code, signal)
    if (worker.isConnected()) setTimeout(end, lastWordsMs)
    else end()
  })
  worker.on("disconnect", end)
  worker.on("error", (error) => {
    if (forked.pid !== undefined) return
    Deferred.doneUnsafe(forked.ended, Effect.succeed(`it cannot be started: ${error.message}`))
  })
  return forked
}
