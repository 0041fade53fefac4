/**
 * What a direct route does where the pipeline does what it should not, on a socket of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import type { InferRequest, InferResult } from "@sluice/core/InferRequest"
import { Roster } from "@sluice/core/Roster"
import { type InferenceError, Overloaded } from "@sluice/domain/Errors"
import { anonymous } from "@sluice/server/access/Principal"
import { type DirectServices, startExchange } from "@sluice/server/direct/DirectExchange"
import { directRoute } from "@sluice/server/direct/DirectMatch"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Result from "effect/Result"
import { createServer } from "node:http"
import { http } from "../harness/Http.ts"

type Answer = (result: Result.Result<InferResult, InferenceError>) => void

const path = "/v2/models/m/infer"
const body = { inputs: [{ name: "x", shape: [1], datatype: "FP32", data: [1] }] }
const prepare = directRoute("/api/v1")(path)!

/** A result whose last element makes the answer fail, or not. */
const resultOf = (values: Float32Array<ArrayBuffer>): InferResult => ({
  model: "m",
  version: "v1",
  precision: "fp32",
  signature: { inputs: [], outputs: [{ name: "y", datatype: "FP32", shape: [-1] }], batchable: true },
  cacheStatus: "miss",
  timings: { cache: 0, encode: 0, queue: 0, compute: 0, total: 0 },
  items: [
    Result.succeed({
      outputs: { y: { datatype: "FP32", shape: [values.length], data: values } },
      prediction: undefined,
      cost: 1,
      cached: false,
      latencyMs: 0
    })
  ]
})

/** A server of one route, on the pipeline that is given. */
const served = Effect.fnUntraced(function*(start: (request: InferRequest, answer: Answer) => () => void) {
  const lines: Array<string> = []
  const services: DirectServices = {
    start: (_caller, request, answer) => start(request, (answered) => answer({ answered, headers: {} })),
    closing: () => false,
    now: () => performance.now(),
    log: (entry) =>
      Effect.runFork(Effect.provide(
        entry,
        Logger.layer([
          Logger.map(Logger.formatJson, (line) => {
            lines.push(line)
          })
        ])
      )),
    live: new Roster()
  }
  const server = createServer((request, response) => startExchange(services, request, response, {}, anonymous, prepare))
  yield* Effect.callback<void>((resume) => {
    server.listen(0, "127.0.0.1", () => resume(Effect.void))
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => server.close().closeAllConnections()))
  const address = server.address()
  const port = typeof address === "object" ? address?.port ?? 0 : 0
  return { lines, services, ask: http({ port, path, body }) }
})

describe("an exchange", () => {
  it.effect("answers 500 where the pipeline throws, and has the cause in the log under the request's id", () =>
    Effect.gen(function*() {
      const { ask, lines, services } = yield* served(() => {
        throw new Error("a secret of ours")
      })
      const answer = yield* ask
      assert.strictEqual(answer.status, 500)
      assert.notInclude(answer.text, "secret")
      assert.lengthOf(lines, 1)
      assert.include(lines[0], "a secret of ours")
      assert.include(lines[0], answer.headers["x-request-id"])
      assert.strictEqual(services.live.size, 0)
    }))

  it.effect("answers 500 where a result is none", () =>
    Effect.gen(function*() {
      const broken = {
        ...resultOf(new Float32Array(1)),
        signature: { inputs: [], batchable: true, outputs: [{ name: "z", datatype: "FP32" as const, shape: [-1] }] }
      }
      const { ask, lines } = yield* served((_, answer) => {
        answer(Result.succeed(broken))
        return () => undefined
      })
      assert.strictEqual((yield* ask).status, 500)
      assert.lengthOf(lines, 1)
    }))

  it.effect("takes an answer that is there at once", () =>
    Effect.gen(function*() {
      const { ask } = yield* served((_, answer) => {
        answer(Result.fail(new Overloaded({ model: "m", version: "v1", retryAfterMs: 1500 })))
        return () => undefined
      })
      const { headers, status } = yield* ask
      assert.deepStrictEqual([status, headers["retry-after"]], [503, "2"])
    }))

  it.effect("writes a long answer whole, and fails it whole where its last element is no number", () =>
    Effect.gen(function*() {
      const values = Float32Array.from({ length: 500_000 }, (_, i) => i / 3)
      const { ask } = yield* served((_, answer) => {
        answer(Result.succeed(resultOf(values)))
        return () => undefined
      })
      const { outputs } = (yield* ask).json() as {
        readonly outputs: ReadonlyArray<{ readonly data: ReadonlyArray<number> }>
      }
      assert.deepStrictEqual(Float32Array.from(outputs[0]!.data), values)
      values[values.length - 1] = NaN
      assert.strictEqual((yield* ask).status, 502)
    }))

  it.effect("abandons what nobody waits for", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      const abandoned = yield* Deferred.make<void>()
      const { ask, services } = yield* served(() => {
        Deferred.doneUnsafe(started, Effect.void)
        return () => Deferred.doneUnsafe(abandoned, Effect.void)
      })
      const leaving = yield* Effect.forkChild(ask)
      yield* Deferred.await(started)
      yield* Fiber.interrupt(leaving)
      yield* Deferred.await(abandoned)
      assert.strictEqual(services.live.size, 0)
    }))

  it.effect("is ended with 503 when the server waits no longer", () =>
    Effect.gen(function*() {
      const started = yield* Deferred.make<void>()
      let abandoned = 0
      const { ask, services } = yield* served(() => {
        Deferred.doneUnsafe(started, Effect.void)
        return () => {
          abandoned++
        }
      })
      const waiting = yield* Effect.forkChild(ask)
      yield* Deferred.await(started)
      services.live.clear().forEach(({ end }) => end())
      assert.strictEqual((yield* Fiber.join(waiting)).status, 503)
      assert.strictEqual(abandoned, 1)
    }))
})
