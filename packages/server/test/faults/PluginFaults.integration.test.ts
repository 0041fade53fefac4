/**
 * Plugins that fail, in load and in run: who hears of it, what they hear, and that everybody else is served.
 */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { call, type HttpAnswer } from "../harness/Http.ts"
import { sample, sampleIs } from "../harness/Metrics.ts"
import { ask, gate, mood, moodyServer, occupy, openGate } from "../harness/Moody.ts"
import { TestServer } from "../harness/ServerProcess.ts"

const server = moodyServer({
  moody: {},
  dying: {},
  breaking: {},
  narrow: { queueCapacity: 2 },
  failing: { load: "fails" },
  throwing: { load: "throws" }
}, { BREAKER_OPEN_DURATION: "1 hour" })

const refusal = (answer: HttpAnswer) => {
  const body = answer.json() as { readonly code?: unknown; readonly detail?: unknown }
  return [answer.status, body.code]
}

const iris = { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]] }

const othersAnswer = Effect.gen(function*() {
  assert.strictEqual((yield* call({ path: "/api/v1/predict", body: iris })).status, 200)
})

layer(TestServer.layer(server), { excludeTestServices: true })((it) => {
  describe("a plugin that fails in load", () => {
    it.effect("leaves the server running, with the version failed", () =>
      Effect.gen(function*() {
        const { models } = (yield* call({ path: "/models" })).json() as {
          readonly models: ReadonlyArray<{ readonly name: string; readonly state: string }>
        }
        assert.deepStrictEqual(models.map(({ name, state }) => [name, state]), [
          ["iris", "ready"],
          ["moody", "ready"],
          ["dying", "ready"],
          ["breaking", "ready"],
          ["narrow", "ready"],
          ["failing", "failed"],
          ["throwing", "failed"]
        ])
        yield* othersAnswer
      }))

    it.effect("makes the server unready, and readiness says by which version", () =>
      Effect.gen(function*() {
        const answer = yield* call({ path: "/readyz" })
        const { parts, ready } = answer.json() as {
          readonly ready: boolean
          readonly parts: ReadonlyArray<Readonly<Record<string, string>>>
        }
        assert.deepStrictEqual([answer.status, ready], [503, false])
        assert.deepStrictEqual(parts.filter((part) => part["status"] !== "ready"), [
          { name: "failing@v1", status: "not_ready", detail: "failed" },
          { name: "throwing@v1", status: "not_ready", detail: "failed" }
        ])
        assert.strictEqual((yield* call({ path: "/v2/health/ready" })).status, 503)
        assert.strictEqual((yield* call({ path: "/livez" })).status, 200)
      }))

    it.effect("tells its callers that it is not ready, and operators why", () =>
      Effect.gen(function*() {
        for (const model of ["failing", "throwing"]) {
          const answer = yield* ask(model, mood.fine)
          assert.deepStrictEqual(refusal(answer), [503, "model_not_ready"])
          assert.match(answer.headers["retry-after"] ?? "", /^[1-9]\d*$/)
          const ready = yield* call({ path: `/v2/models/${model}/ready` })
          assert.deepStrictEqual([ready.status, ready.json()], [503, { name: model, ready: false }])
        }
        const output = (yield* TestServer).output()
        assert.include(output, "moody fails in load")
        assert.include(output, "moody throws in load, at /secret/path.onnx")
      }))

    it.effect("tells no caller a path of the server", () =>
      Effect.gen(function*() {
        for (
          const path of ["/models", "/readyz", "/health", "/v2/models/throwing", "/v1/models/throwing", "/metrics"]
        ) {
          assert.notInclude((yield* call({ path })).text, "/secret", path)
        }
        assert.notInclude((yield* ask("throwing", mood.fine)).text, "/secret")
      }))
  })

  describe("a plugin that fails in run", () => {
    const failures = {
      throws: mood.throws,
      fails: mood.fails,
      wrongShape: mood.wrongShape,
      notANumber: mood.notANumber
    }
    for (const [name, value] of Object.entries(failures)) {
      it.effect(`is a bad gateway to its caller: ${name}`, () =>
        Effect.gen(function*() {
          const answer = yield* ask("moody", value)
          assert.deepStrictEqual(refusal(answer), [502, "model_failed"])
          assert.notInclude(answer.text, "moody " + name)
          assert.strictEqual((yield* ask("moody", mood.fine)).status, 200)
        }))
    }

    it.effect("is a bad gateway over the Open Inference Protocol, and no number is made of NaN", () =>
      Effect.gen(function*() {
        for (const value of [mood.throws, mood.notANumber]) {
          const answer = yield* call({
            path: "/v2/models/moody/infer",
            body: { inputs: [{ name: "x", shape: [1, 1], datatype: "FP32", data: [value] }] }
          })
          assert.strictEqual(answer.status, 502)
          assert.deepStrictEqual(Object.keys(answer.json() as object), ["error"])
        }
      }))

    it.effect("fails nobody else in its batch", () =>
      Effect.gen(function*() {
        const first = yield* occupy("moody")
        const batches = (yield* sample("sluice_batch_size_count", "moody")) ?? NaN
        const [good, bad, better] = [
          yield* Effect.forkChild(ask("moody", 10)),
          yield* Effect.forkChild(ask("moody", mood.throws)),
          yield* Effect.forkChild(ask("moody", 20))
        ]
        yield* sampleIs("sluice_queue_length", "moody", 3)
        yield* openGate("moody")
        assert.strictEqual((yield* Fiber.join(first)).status, 200)
        assert.deepStrictEqual(refusal(yield* Fiber.join(bad)), [502, "model_failed"])
        for (const [fiber, expected] of [[good, 20], [better, 40]] as const) {
          assert.nestedPropertyVal((yield* Fiber.join(fiber)).json(), "results[0].prediction", expected)
        }
        // The three were one batch.
        assert.strictEqual(yield* sample("sluice_batch_size_count", "moody"), batches + 1)
      }))

    it.effect("tells operators why, under no path to callers", () =>
      Effect.gen(function*() {
        const output = (yield* TestServer).output()
        assert.include(output, "moody throws in run")
        assert.include(output, "moody fails in run")
        assert.include(output, "broke its signature")
      }))

    it.effect("is not called for a while when it goes on failing, and others are", () =>
      Effect.gen(function*() {
        yield* Effect.repeat(ask("breaking", mood.fails), { times: 99 })
        const answer = yield* ask("breaking", mood.fine)
        assert.deepStrictEqual(refusal(answer), [503, "circuit_open"])
        assert.isAbove(Number(answer.headers["retry-after"]), 3000)
        assert.strictEqual(yield* sample("sluice_circuit_state", "breaking"), 2)
        assert.strictEqual((yield* ask("moody", mood.fine)).status, 200)
        yield* othersAnswer
      }))
  })

  describe("a codec that throws", () => {
    it.effect("fails that item as the model's failure", () =>
      Effect.gen(function*() {
        for (const value of [mood.throwsInEncode, mood.throwsInDecode]) {
          const answer = yield* ask("moody", value)
          assert.deepStrictEqual(refusal(answer), [502, "model_failed"])
          assert.notInclude(answer.text, "/secret")
        }
        assert.include((yield* TestServer).output(), "moody throws in encode")
        assert.include((yield* TestServer).output(), "moody throws in decode")
      }))
  })

  describe("a worker that dies while a batch runs", () => {
    for (const [name, value] of Object.entries({ exits: mood.exits, throwsLater: mood.throwsLater })) {
      it.effect(`is replaced, and its caller told to come again: ${name}`, () =>
        Effect.gen(function*() {
          const before = (yield* sample("sluice_worker_restarts_total", "dying")) ?? NaN
          const answer = yield* ask("dying", value)
          assert.deepStrictEqual(refusal(answer), [503, "instance_lost"])
          assert.match(answer.headers["retry-after"] ?? "", /^[1-9]\d*$/)
          const next = yield* ask("dying", 21)
          assert.nestedPropertyVal(next.json(), "results[0].prediction", 42)
          // The batch was tried once more.
          assert.strictEqual(yield* sample("sluice_worker_restarts_total", "dying"), before + 2)
          yield* othersAnswer
        }))
    }
  })

  describe("a plugin that takes its time", () => {
    it.effect("is cut off at the caller's deadline, on each surface", () =>
      Effect.gen(function*() {
        yield* gate("moody")
        const body = { model: "moody", features: [[mood.waits]], use_cache: false }
        const own = yield* call({ path: "/api/v1/predict", body: { ...body, timeout_ms: 20 } })
        assert.deepStrictEqual(refusal(own), [504, "deadline_exceeded"])
        const header = yield* call({ path: "/api/v1/predict", body, headers: { "x-sluice-timeout-ms": "20" } })
        assert.deepStrictEqual(refusal(header), [504, "deadline_exceeded"])
        const inputs = [{ name: "x", shape: [1, 1], datatype: "FP32", data: [mood.waits] }]
        const oip = yield* call({ path: "/v2/models/moody/infer", body: { inputs, parameters: { timeout: 20_000 } } })
        assert.strictEqual(oip.status, 504)
        yield* openGate("moody")
        assert.strictEqual((yield* ask("moody", mood.fine)).status, 200)
      }))

    it.effect("refuses at once what its queue cannot hold", () =>
      Effect.gen(function*() {
        const busy = yield* occupy("narrow")
        const queued = yield* Effect.forkChild(ask("narrow", 1, 2))
        yield* sampleIs("sluice_queue_length", "narrow", 2)
        const answer = yield* ask("narrow", 3)
        assert.deepStrictEqual(refusal(answer), [503, "overloaded"])
        assert.match(answer.headers["retry-after"] ?? "", /^[1-9]\d*$/)
        yield* othersAnswer
        yield* openGate("narrow")
        assert.strictEqual((yield* Fiber.join(busy)).status, 200)
        assert.strictEqual((yield* Fiber.join(queued)).status, 200)
      }))
  })

  describe("200 clients that hang up", () => {
    it.effect("leave no trace but a count", () =>
      Effect.gen(function*() {
        const before = (yield* sample("sluice_abandoned_requests_total", "moody")) ?? NaN
        const busy = yield* occupy("moody")
        const batches = (yield* sample("sluice_batch_size_count", "moody")) ?? NaN
        const clients = yield* Effect.forEach(
          Array.from({ length: 200 }, (_, i) => i),
          (i) => Effect.forkChild(ask("moody", i))
        )
        yield* sampleIs("sluice_queue_length", "moody", 200)
        yield* Fiber.interruptAll(clients)
        yield* sampleIs("sluice_queue_length", "moody", 0)
        yield* sampleIs("sluice_abandoned_requests_total", "moody", before + 200)
        yield* openGate("moody")
        assert.strictEqual((yield* Fiber.join(busy)).status, 200)
        assert.strictEqual((yield* ask("moody", mood.fine)).status, 200)
        // What they had asked for was never computed.
        assert.strictEqual(yield* sample("sluice_batch_size_count", "moody"), batches + 1)
      }))
  })
})
