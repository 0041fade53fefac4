/**
 * The other processes of this server, as one of them sees them: whom it asks to do what it was asked to do.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Answer, AnswerOf, Question } from "./ClusterMessages.ts"

export class OtherProcesses extends Context.Service<OtherProcesses, {
  /** Asks all that live, and waits for each, or until the time for such a question is over. */
  readonly ask: (question: Question) => Effect.Effect<ReadonlyArray<AnswerOf>>
  /** How this process answers from now on. What it was asked before waits for that. */
  readonly answer: (by: (question: Question) => Effect.Effect<Answer>) => Effect.Effect<void>
}>()("sluice/server/OtherProcesses") {}

/** For a process that is alone. */
export const noOthers: OtherProcesses["Service"] = { ask: () => Effect.succeed([]), answer: () => Effect.void }
