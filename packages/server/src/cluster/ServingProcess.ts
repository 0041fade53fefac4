/**
 * Runs the server as one of several processes on one port: it tells the primary what one that is alone would print.
 */
import { coresOfEach, detectCores } from "@sluice/core/execution/Cores"
import type { SpareWorkers } from "@sluice/core/execution/SpareWorkers"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Place } from "../Place.ts"
import { serve } from "../Serve.ts"
import { type FromPrimary, type FromProcess, type ProcessArguments, readArguments } from "./ClusterMessages.ts"
import { type MetricsExchange, metricsExchange } from "./MetricsExchange.ts"
import { type QuestionExchange, questionExchange } from "./QuestionExchange.ts"

const tell = (message: FromProcess): void => {
  process.send?.(message)
}

const placeOf = (
  { listensFirst, processes }: ProcessArguments,
  metrics: MetricsExchange,
  questions: QuestionExchange
): Place => ({
  cores: Effect.map(detectCores, (cores) => coresOfEach(cores, processes)),
  listensFirst,
  listening: (ports, notices) => Effect.sync(() => tell({ _tag: "Listening", ports, notices })),
  ready: (versions) => Effect.sync(() => tell({ _tag: "Ready", versions })),
  metrics: metrics.shared,
  others: questions.others
})

/** The primary ends a process that cannot serve once it has its reason, and so does the process itself. */
const endWith = (reason: string): void => {
  const failed: FromProcess = { _tag: "Failed", reason }
  process.send?.(failed, undefined, undefined, () => process.exit(1))
}

export const runServingProcess = (options: {
  readonly arguments: ReadonlyArray<string>
  readonly spares: SpareWorkers
}): void => {
  const place = readArguments(options.arguments)
  const stop = Deferred.makeUnsafe<void>()
  const stopNow = () => Deferred.doneUnsafe(stop, Effect.void)
  const metrics = metricsExchange(tell)
  const questions = questionExchange(tell)
  process.stdout.on("error", () => undefined)
  process.stderr.on("error", () => undefined)
  // A terminal's Ctrl-C comes to every process: the primary says what is to be done.
  process.on("SIGINT", () => undefined)
  process.on("SIGTERM", stopNow)
  process.on("message", (message: FromPrimary) => {
    switch (message._tag) {
      case "Stop":
        return stopNow()
      case "Ask":
      case "OthersAnswered":
        return questions.received(message)
      default:
        return metrics.received(message)
    }
  })
  const server = serve({
    env: process.env,
    spares: options.spares,
    stop: Deferred.await(stop),
    place: placeOf(place, metrics, questions)
  })
  Effect.runFork(Effect.annotateLogs(server, { process: place.number })).addObserver((exit) => {
    if (Exit.isSuccess(exit)) process.exit(0)
    const error = Cause.squash(exit.cause)
    endWith(error instanceof Error ? error.message : String(error))
  })
}
