/**
 * Models whose native code crashes or hangs: their callers hear of it, the server and everybody else go on.
 */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { call } from "../harness/Http.ts"
import { ask, mood, moodyServer } from "../harness/Moody.ts"
import { TestServer } from "../harness/ServerProcess.ts"

const server = moodyServer({
  native: { isolation: "process" },
  hangingProcess: { isolation: "process", runTimeout: "1s" },
  hangingThread: { runTimeout: "1s" }
})

const othersAnswer = Effect.gen(function*() {
  const iris = { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]] }
  assert.strictEqual((yield* call({ path: "/api/v1/predict", body: iris })).status, 200)
})

const answersAgain = Effect.fnUntraced(function*(model: string) {
  const body = (yield* ask(model, mood.fine)).json() as {
    readonly results: ReadonlyArray<{ readonly prediction: number }>
  }
  assert.strictEqual(body.results[0]?.prediction, 2)
})

layer(TestServer.layer(server), { excludeTestServices: true })((it) => {
  describe("a model in a process of its own", () => {
    it.effect("takes nobody along when it reaches where it may not", () =>
      Effect.gen(function*() {
        const answer = yield* ask("native", mood.segfaults)
        assert.strictEqual(answer.status, 503)
        yield* othersAnswer
        yield* answersAgain("native")
        assert.include((yield* TestServer).output(), "SIGSEGV")
      }))
  })

  describe("a run that never ends", () => {
    const hangs = (name: string, model: string) =>
      it.effect(`costs its instance its place: ${name}`, () =>
        Effect.gen(function*() {
          assert.strictEqual((yield* ask(model, mood.hangs)).status, 503)
          yield* othersAnswer
          yield* answersAgain(model)
        }))
    hangs("in a process", "hangingProcess")
    hangs("in a thread", "hangingThread")
  })
})
