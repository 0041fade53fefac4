/**
 * A serving process' side of questions: it asks the others through the primary, and answers what it is asked.
 */
import * as Effect from "effect/Effect"
import type { Answer, AnswerOf, FromPrimary, FromProcess, Question } from "./ClusterMessages.ts"
import type { OtherProcesses } from "./OtherProcesses.ts"

type QuestionMessage = Extract<FromPrimary, { readonly _tag: "Ask" | "OthersAnswered" }>

export interface QuestionExchange {
  readonly received: (message: QuestionMessage) => void
  readonly others: OtherProcesses["Service"]
}

export const questionExchange = (tell: (message: FromProcess) => void): QuestionExchange => {
  /** They need no time limit of their own: the primary has one, and without a primary this process ends. */
  const waiting = new Map<number, (answers: ReadonlyArray<AnswerOf>) => void>()
  /** What was asked while the engine was being built. */
  const early: Array<{ readonly id: number; readonly question: Question }> = []
  let lastId = 0
  let answerTo = (id: number, question: Question): void => void early.push({ id, question })

  return {
    received: (message) => {
      if (message._tag === "Ask") {
        answerTo(message.id, message.question)
        return
      }
      waiting.get(message.id)?.(message.answers)
      waiting.delete(message.id)
    },
    others: {
      ask: (question) =>
        Effect.callback<ReadonlyArray<AnswerOf>>((resume) => {
          const id = ++lastId
          waiting.set(id, (answers) => resume(Effect.succeed(answers)))
          tell({ _tag: "AskOthers", id, question })
          return Effect.sync(() => waiting.delete(id))
        }),
      answer: (by: (question: Question) => Effect.Effect<Answer>) =>
        Effect.map(Effect.context<never>(), (context) => {
          const run = Effect.runForkWith(context)
          answerTo = (id, question) => {
            run(Effect.matchCauseEffect(by(question), {
              onSuccess: (answer) => Effect.sync(() => tell({ _tag: "Answer", id, answer })),
              // It is silent, which the one that asks is told in time.
              onFailure: (cause) => Effect.logError(`process question ${question._tag} failed`, cause)
            }))
          }
          for (const { id, question } of early.splice(0)) answerTo(id, question)
        })
    }
  }
}
