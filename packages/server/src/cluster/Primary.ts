/**
 * The process that holds several together: it forks the processes that serve, replaces those that end, and passes on the
 * order to stop. It loads no model and answers nothing itself.
 */
import { coresOfEach, detectCores } from "@sluice/core/execution/Cores"
import type { VersionInfo } from "@sluice/core/registry/ModelRegistry"
import * as Logging from "@sluice/core/telemetry/Logging"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { listenBanner, readyBanner } from "../Banner.ts"
import type { ResolvedSettings, Settings, Variables } from "../config/Settings.ts"
import type { Question } from "./ClusterMessages.ts"
import { type ForkedProcess, forkProcess } from "./ForkedProcess.ts"
import { MetricsCollector } from "./MetricsCollector.ts"
import { QuestionRounds } from "./QuestionRounds.ts"
import { nextRestart } from "./RestartDelay.ts"

/** The server cannot start; the reason is a sentence for the operator. */
export class StartFailed extends Data.TaggedError("StartFailed")<{ readonly reason: string }> {
  override get message() {
    return this.reason
  }
}

export interface PrimaryOptions {
  /** The environment of the processes. */
  readonly env: Variables
  /** Settles when the server is to stop. */
  readonly stop: Effect.Effect<void>
}

/** More processes than cores is allowed, for the machine may be about to grow; it is not what makes a server fast. */
export const coresNotice = (processes: number, cores: number): ReadonlyArray<string> =>
  processes > cores
    ? [
      `WORKERS is ${processes} where ${
        cores === 1 ? "one core is" : `${cores} cores are`
      } usable: each process computes ` +
      `as if it had a core for itself, and they wait for each other; WORKERS=${cores} is the most that helps`
    ]
    : []

/** What serving processes may take to end: their own limits one after the other, and then some. */
const longestEnd = ({ shutdown }: Settings): Duration.Duration =>
  Duration.sum(Duration.sum(shutdown.drainDelay, shutdown.timeout), Duration.seconds(20))

/** The versions as the process has them that could load fewest. */
const worstOf = (lists: ReadonlyArray<ReadonlyArray<VersionInfo>>): ReadonlyArray<VersionInfo> => {
  const ready = (list: ReadonlyArray<VersionInfo>) => list.filter(({ state }) => state === "ready").length
  return lists.reduce((worst, list) => ready(list) < ready(worst) ? list : worst)
}

const runPrimary = Effect.fnUntraced(function*({ env, stop }: PrimaryOptions, resolved: ResolvedSettings) {
  const { generatedKey, notices, settings } = resolved
  const { host, port, workers } = settings.server
  const running = new Set<ForkedProcess>()
  const metrics = new MetricsCollector<ForkedProcess>((asked, id) => asked.tell({ _tag: "AskOwnMetrics", id }))
  const questions = new QuestionRounds<ForkedProcess>((asked, id, question) =>
    asked.tell({ _tag: "Ask", id, question })
  )
  const run = Effect.runForkWith(yield* Effect.context<never>())

  const answerScrape = (asker: ForkedProcess, id: number) =>
    Effect.map(metrics.collect, (snapshots) => asker.tell({ _tag: "AllMetrics", id, snapshots }))

  const passOn = (asker: ForkedProcess, id: number, question: Question) =>
    Effect.map(
      questions.ask([...running].filter((each) => each !== asker), question),
      (answers) => asker.tell({ _tag: "OthersAnswered", id, answers })
    )

  const start = (number: number): ForkedProcess => {
    // Beside others that serve, it takes no request before it can answer it.
    const listensFirst = ![...running].some(({ listening }) => Deferred.isDoneUnsafe(listening))
    // A file that has changed meanwhile must not move one of them to another port.
    const fixed = {
      ...env,
      HOST: host,
      PORT: String(port),
      // All of them ask for the one key.
      ...(generatedKey === undefined ? {} : { AUTH_TOKEN: Redacted.value(generatedKey) })
    }
    const forked = forkProcess({ number, processes: workers, listensFirst }, fixed, (from, message) => {
      switch (message._tag) {
        case "OwnMetrics":
          return metrics.answered(from, message.id, message.snapshot)
        case "AskAllMetrics":
          return void run(answerScrape(from, message.id))
        case "AskOthers":
          return void run(passOn(from, message.id, message.question))
        case "Answer":
          return questions.answered(from, message.id, message.answer)
      }
    })
    running.add(forked)
    metrics.started(forked)
    return forked
  }

  const loaded = Array.from({ length: workers }, () => Deferred.makeUnsafe<ReadonlyArray<VersionInfo>>())
  const firsts = loaded.map((_, index) => start(index + 1))

  const ended = Effect.fnUntraced(function*(forked: ForkedProcess) {
    const reason = yield* Deferred.await(forked.ended)
    running.delete(forked)
    metrics.ended(forked)
    return reason
  })

  /** Keeps one place filled. Fails if the first that takes it ends before it has listened. */
  const keep = Effect.fnUntraced(function*(first: ForkedProcess, index: number) {
    const { number } = first
    const announceReady = Effect.fnUntraced(function*(forked: ForkedProcess) {
      yield* Deferred.succeed(loaded[index]!, yield* Deferred.await(forked.ready))
      if (forked !== first) yield* Effect.logInfo(`process ${number} serves again`)
      return yield* Effect.never
    })
    let forked = first
    let restarts = 0
    for (;;) {
      const startedAt = yield* Clock.currentTimeMillis
      const reason = yield* Effect.raceFirst(ended(forked), announceReady(forked))
      if (forked === first && !Deferred.isDoneUnsafe(first.listening)) return yield* new StartFailed({ reason })
      const { count, delayMs } = nextRestart(restarts, (yield* Clock.currentTimeMillis) - startedAt)
      restarts = count
      yield* Effect.logWarning(`process ${number} ended: ${reason}. Restart in ${delayMs} ms`)
      yield* Effect.sleep(delayMs)
      metrics.restarted()
      forked = start(number)
    }
  })

  const announce = Effect.gen(function*() {
    const cores = yield* detectCores
    const listening = yield* Effect.forEach(firsts, (each) => Deferred.await(each.listening))
    const ofRegistry = listening[0]?.notices ?? []
    for (const notice of [...notices, ...coresNotice(workers, cores), ...ofRegistry]) yield* Effect.logWarning(notice)
    const ports = listening[0]?.ports ?? { port: undefined }
    yield* Console.log(listenBanner(settings, ports, { coresOfEach: coresOfEach(cores, workers), generatedKey }))
    const lists = yield* Effect.forEach(loaded, (each) => Deferred.await(each))
    yield* Console.log(readyBanner(worstOf(lists), process.uptime() * 1000))
  })

  const allEnded = Effect.suspend(() =>
    Effect.forEach(running, ({ ended }) => Deferred.await(ended), { discard: true })
  )
  const kill = Effect.suspend(() => {
    for (const forked of running) forked.kill()
    return allEnded
  })

  yield* Effect.raceAllFirst([
    stop,
    Effect.forEach(firsts, keep, { concurrency: "unbounded", discard: true }),
    Effect.andThen(announce, Effect.never)
  ]).pipe(Effect.tapError(() => kill))

  for (const forked of running) forked.tell({ _tag: "Stop" })
  const limit = longestEnd(settings)
  yield* Effect.timeoutOrElse(allEnded, {
    duration: limit,
    orElse: () =>
      Effect.andThen(
        Effect.logWarning(`${running.size} processes have not ended within ${Duration.format(limit)} and are killed`),
        kill
      )
  })
})

/**
 * Serves by several processes until `stop` settles. Fails with the sentence of the first process that cannot start; the
 * others are ended by then.
 */
export const servePrimary = (options: PrimaryOptions, resolved: ResolvedSettings): Effect.Effect<void, StartFailed> => {
  const { logFormat, logLevel } = resolved.settings.telemetry
  return Effect.provide(runPrimary(options, resolved), Logging.layer({ level: logLevel, format: logFormat }))
}
