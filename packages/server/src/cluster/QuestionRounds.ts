/**
 * The primary's side of questions: it passes what one process asks on to the others, and gathers what they say.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Answer, AnswerOf, Question } from "./ClusterMessages.ts"

/** A process that may be asked. */
export interface Asked {
  /** From 1 on. */
  readonly number: number
  /** Whether it listened before its models were loaded: then its readiness counts from the beginning. */
  readonly listensFirst: boolean
  /** Whether its models have settled. */
  readonly isReady: () => boolean
  readonly ended: Deferred.Deferred<string>
}

/** How long each may take: a load computes, an unload waits for those who still use the version. */
const limits: Readonly<Record<Question["_tag"], Duration.Input>> = {
  Load: "2 minutes",
  Unload: "2 minutes",
  Warmup: "2 minutes",
  ClearModels: "2 minutes",
  ClearPredictions: "10 seconds",
  TakeUpRegistry: "5 seconds",
  Readiness: "1 second"
}

export class QuestionRounds<Source extends Asked> {
  readonly #tell: (source: Source, id: number, question: Question) => void
  readonly #waiting = new Map<number, { readonly source: Source; readonly answer: Deferred.Deferred<Answer> }>()
  #lastId = 0

  constructor(tell: (source: Source, id: number, question: Question) => void) {
    this.#tell = tell
  }

  answered(source: Source, id: number, answer: Answer): void {
    const waiting = this.#waiting.get(id)
    if (waiting?.source === source) Deferred.doneUnsafe(waiting.answer, Effect.succeed(answer))
  }

  #ask(source: Source, question: Question): Effect.Effect<AnswerOf["answer"]> {
    return Effect.suspend((): Effect.Effect<AnswerOf["answer"]> => {
      if (question._tag === "Readiness" && !source.isReady()) return Effect.succeed("starting")
      const id = ++this.#lastId
      const answer = Deferred.makeUnsafe<Answer>()
      this.#waiting.set(id, { source, answer })
      this.#tell(source, id, question)
      return Effect.raceFirst(
        Deferred.await(answer),
        Effect.as(Deferred.await(source.ended), "ended" as const)
      ).pipe(
        Effect.timeoutOrElse({ duration: limits[question._tag], orElse: () => Effect.succeed("silent" as const) }),
        Effect.ensuring(Effect.sync(() => this.#waiting.delete(id)))
      )
    })
  }

  /** What each of them says. One that takes another's place answers nobody before it is ready, and is not asked for that. */
  ask(sources: Iterable<Source>, question: Question): Effect.Effect<ReadonlyArray<AnswerOf>> {
    const asked = [...sources].filter((source) =>
      question._tag !== "Readiness" || source.listensFirst || source.isReady()
    )
    return Effect.forEach(
      asked,
      (source) => Effect.map(this.#ask(source, question), (answer) => ({ process: source.number, answer })),
      { concurrency: "unbounded" }
    )
  }
}
