/**
 * Circuits on a running server: when they open, what they refuse, who probes, and what answers meanwhile.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { redisServer, withoutRedis } from "../../../core/test/RedisServer.ts"
import { call, http, type HttpAnswer } from "../harness/Http.ts"
import { metrics, sample, sampleIs } from "../harness/Metrics.ts"
import { ask, gate, mood, moodyServer, openGate } from "../harness/Moody.ts"
import { readyServer, TestServer } from "../harness/ServerProcess.ts"

const often = Schedule.spaced("10 millis")

const briefly = "breaker: { failures: 3, open_duration: 300 millis }"
const forLong = "breaker: { failures: 3, open_duration: 1 hour }"

const server = moodyServer({
  brief: { fields: [briefly] },
  quiet: { fields: [forLong] },
  rated: {
    fields: ["breaker: { policy: rate, rate_threshold: 0.5, window_calls: 8, minimum_calls: 8, open_duration: 1 hour }"]
  },
  replaced: { fields: [forLong, "fallback: { model: spare }", "default_answer: { prediction: 0 }"] },
  spare: { fields: [forLong] },
  chained: { fields: [forLong, "fallback: { model: replaced }"] },
  defaulted: { fields: [forLong, "default_answer: { prediction: 7 }"] },
  ending: { fields: [forLong, "fallback: { model: spare }", "default_answer: { prediction: 9 }"] },
  unloaded: { load: "fails", fields: ["fallback: { model: spare }"] },
  otherwise: {
    fields: [forLong, "fallback: { model: spare }", "default_answer: { prediction: 7 }", "degradation: [default]"]
  }
})

const body = (answer: HttpAnswer) =>
  answer.json() as {
    readonly code?: string
    readonly model?: string
    readonly model_version?: string
    readonly degraded?: string
    readonly results?: ReadonlyArray<{ readonly prediction?: number }>
    readonly parameters?: object
  }
const shown = (answer: HttpAnswer) => {
  const { code, degraded, model, results } = body(answer)
  return [answer.status, code ?? [model, results?.[0]?.prediction, degraded], answer.headers["x-degraded"]]
}

const fail = (model: string) => ask(model, mood.throws)
/** By name, so that no fallback is asked to compute it too. */
const trip = (model: string) =>
  Effect.repeat(
    call({
      path: "/api/v1/predict",
      body: { model, model_version: "v1", features: [[mood.throws]], use_cache: false }
    }),
    { times: 2 }
  )

interface Breaker {
  readonly key: string
  readonly state: string
  readonly policy: string
  readonly failures: number
  readonly retry_after_ms: number
  readonly opened_at?: string
  readonly transitions: number
}
const breakers = Effect.map(
  call({ path: "/api/v1/breakers" }),
  (answer) => (answer.json() as { readonly breakers: ReadonlyArray<Breaker> }).breakers
)
const breakerOf = (model: string) => Effect.map(breakers, (all) => all.find(({ key }) => key === `model:${model}@v1`)!)
const stands = (model: string, state: string) =>
  Effect.repeat(breakerOf(model), { until: (breaker) => breaker.state === state, schedule: often })

layer(TestServer.layer(server), { excludeTestServices: true })((it) => {
  describe("a circuit", () => {
    it.effect("opens after the failures of its policy, refuses with the time to wait, and is shown", () =>
      Effect.gen(function*() {
        assert.deepInclude(yield* breakerOf("quiet"), { state: "closed", policy: "consecutive", transitions: 0 })
        yield* fail("quiet")
        yield* fail("quiet")
        assert.deepStrictEqual(shown(yield* ask("quiet", 2)).slice(0, 1), [200])
        yield* fail("quiet")
        yield* fail("quiet")
        assert.strictEqual((yield* fail("quiet")).status, 502)
        const refused = yield* ask("quiet", 2)
        assert.deepStrictEqual(shown(refused), [503, "circuit_open", undefined])
        const seconds = Number(refused.headers["retry-after"])
        assert.isTrue(seconds > 3_500 && seconds <= 3_600, `told to wait ${seconds} s`)
        const breaker = yield* breakerOf("quiet")
        assert.deepInclude(breaker, { state: "open", failures: 3, transitions: 1 })
        assert.isTrue(breaker.retry_after_ms > 3_500_000 && breaker.retry_after_ms <= 3_600_000)
        assert.closeTo(Date.parse(breaker.opened_at ?? ""), Date.now(), 60_000)
        assert.strictEqual(yield* sample("sluice_circuit_state", "quiet"), 2)
        assert.strictEqual((yield* ask("brief", 2)).status, 200)
      }))

    it.effect("is closed by an operator, who is in the audit log", () =>
      Effect.gen(function*() {
        const reset = (key: string) => call({ path: `/api/v1/breakers/${key}/reset`, method: "POST" })
        const answer = yield* reset("model:quiet@v1")
        assert.strictEqual(answer.status, 200)
        assert.deepInclude(answer.json(), { key: "model:quiet@v1", state: "closed", failures: 0 })
        assert.strictEqual((yield* ask("quiet", 2)).status, 200)
        const { entries } = (yield* call({ path: "/api/v1/audit" })).json() as {
          readonly entries: ReadonlyArray<object>
        }
        assert.deepInclude(entries[0], { action: "breaker.reset", model: "quiet", outcome: "applied" })
        assert.deepStrictEqual(
          [yield* reset("model:nobody@v1"), yield* reset("model:quiet@v9"), yield* reset("sausage")].map(({ status }) =>
            status
          ),
          [404, 404, 404]
        )
      }))

    it.effect("opens at its rate, where that is the policy", () =>
      Effect.gen(function*() {
        for (let call = 0; call < 4; call++) {
          assert.strictEqual((yield* ask("rated", 2)).status, 200)
          assert.strictEqual((yield* fail("rated")).status, 502)
        }
        assert.deepStrictEqual(shown(yield* ask("rated", 2)), [503, "circuit_open", undefined])
        assert.deepInclude(yield* breakerOf("rated"), { state: "open", policy: "rate", failures: 1 })
      }))

    it.effect("lets one of many calls probe, refuses the others meanwhile, and closes", () =>
      Effect.gen(function*() {
        yield* gate("brief")
        yield* trip("brief")
        yield* Effect.repeat(breakerOf("brief"), { until: (each) => each.retry_after_ms === 0, schedule: often })
        const batches = (yield* sample("sluice_batch_size_count", "brief")) ?? NaN
        const calls = yield* Effect.forEach(
          Array.from({ length: 40 }),
          () => Effect.forkChild(ask("brief", mood.waits))
        )
        yield* stands("brief", "half_open")
        const refused = yield* ask("brief", 2)
        assert.deepStrictEqual(shown(refused), [503, "circuit_open", undefined])
        assert.strictEqual(refused.headers["retry-after"], "1")
        yield* openGate("brief")
        const answers = yield* Effect.forEach(calls, Fiber.join)
        yield* stands("brief", "closed")
        assert.strictEqual((yield* sample("sluice_batch_size_count", "brief")) ?? NaN, batches + 1)
        assert.lengthOf(answers.filter(({ status }) => status === 200), 1)
        assert.lengthOf(answers.filter(({ status }) => status === 503), 39)
      }))
  })

  describe("where the version that was asked cannot answer", () => {
    it.effect("the registry's answer does for an item that the model and its fallback fail on", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(shown(yield* fail("replaced")).slice(0, 2), [200, ["replaced", 0, "default"]])
        assert.deepInclude(yield* breakerOf("replaced"), { state: "closed", failures: 1 })
        yield* call({ path: "/api/v1/breakers/model:replaced@v1/reset", method: "POST" })
        yield* call({ path: "/api/v1/breakers/model:spare@v1/reset", method: "POST" })
        const inputs = [{ name: "x", shape: [1, 1], datatype: "FP32", data: [mood.throws] }]
        assert.strictEqual((yield* call({ path: "/v2/models/replaced/infer", body: { inputs } })).status, 502)
        const partial = yield* call({
          path: "/api/v1/predict",
          body: { model: "replaced", features: [[4], [mood.throws]], partial: true, use_cache: false }
        })
        assert.deepStrictEqual(shown(partial), [200, ["replaced", 8, undefined], undefined])
        yield* call({ path: "/api/v1/breakers/model:replaced@v1/reset", method: "POST" })
      }))

    it.effect("its fallback does, and says so", () =>
      Effect.gen(function*() {
        yield* trip("replaced")
        const answer = yield* ask("replaced", 4)
        assert.deepStrictEqual(shown(answer), [
          200,
          ["spare", 8, "fallback"],
          "fallback; model=\"spare\"; version=\"v1\""
        ])
        assert.strictEqual(answer.headers["x-model-version"], "v1")
        yield* sampleIs("sluice_circuit_state", "replaced", 2)
        const samples = yield* metrics
        const counted = (kind: string, model = "replaced") =>
          samples.get(`sluice_degraded_answers_total{model="${model}",version="v1",kind="${kind}"}`)
        assert.deepStrictEqual([counted("fallback"), counted("default"), counted("fallback", "spare")], [1, 1, 0])
      }))

    it.effect("answers the same through Effect's HTTP, and to tensors", () =>
      Effect.gen(function*() {
        const slow = yield* call({
          path: "/api/v1/predict?",
          body: { model: "replaced", features: [[4]], use_cache: true }
        })
        assert.deepStrictEqual(shown(slow).slice(0, 2), [200, ["spare", 8, "fallback"]])
        const inputs = [{ name: "x", shape: [1, 1], datatype: "FP32", data: [4] }]
        const oip = yield* call({ path: "/v2/models/replaced/infer", body: { inputs } })
        assert.deepInclude(oip.json(), { model_name: "spare", parameters: { degraded: "fallback" } })
      }))

    it.effect("is not replaced for who names it, nor for a bad request", () =>
      Effect.gen(function*() {
        const asked = (rest: object) =>
          call({ path: "/api/v1/predict", body: { model: "replaced", use_cache: false, ...rest } })
        assert.deepStrictEqual(shown(yield* asked({ model_version: "v1", features: [[4]] })), [
          503,
          "circuit_open",
          undefined
        ])
        assert.strictEqual((yield* asked({ features: [["four"]] })).status, 422)
        assert.strictEqual((yield* asked({ features: [] })).status, 400)
      }))

    it.effect("does not go from fallback to fallback", () =>
      Effect.gen(function*() {
        yield* trip("chained")
        // Its fallback is open and has a fallback itself, which answers for that one only.
        assert.deepStrictEqual(shown(yield* ask("chained", 4)), [503, "circuit_open", undefined])
      }))

    it.effect("gets the registry's answer where the fallback cannot answer either", () =>
      Effect.gen(function*() {
        yield* trip("spare")
        assert.deepStrictEqual(shown(yield* ask("replaced", 4)), [200, ["replaced", 0, "default"], "default"])
        yield* call({ path: "/api/v1/breakers/model:spare@v1/reset", method: "POST" })
        assert.deepStrictEqual(shown(yield* ask("replaced", 4)).slice(0, 2), [200, ["spare", 8, "fallback"]])
      }))

    it.effect("is replaced in the order of its entry", () =>
      Effect.gen(function*() {
        yield* trip("otherwise")
        assert.deepStrictEqual(shown(yield* ask("otherwise", 4)).slice(0, 2), [200, ["otherwise", 7, "default"]])
      }))

    it.effect("gets the registry's answer for natural items only", () =>
      Effect.gen(function*() {
        yield* trip("defaulted")
        assert.deepStrictEqual(shown(yield* ask("defaulted", 4, 5)).slice(0, 2), [200, ["defaulted", 7, "default"]])
        const inputs = [{ name: "x", shape: [1, 1], datatype: "FP32", data: [4] }]
        assert.strictEqual((yield* call({ path: "/v2/models/defaulted/infer", body: { inputs } })).status, 503)
        const embedded = yield* call({ path: "/v1/embeddings", body: { model: "defaulted", input: "hello" } })
        assert.isTrue(embedded.status >= 400, embedded.text)
      }))

    it.effect("gets the registry's answer for an item that ended its instances, which no other model gets", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(shown(yield* ask("ending", mood.exits)).slice(0, 2), [200, ["ending", 9, "default"]])
        assert.strictEqual(yield* sample("sluice_worker_restarts_total", "spare"), 0)
      }))

    it.effect("is replaced while it is not there", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(shown(yield* ask("unloaded", 4)).slice(0, 2), [200, ["spare", 8, "fallback"]])
      }))

    it.effect("is never replaced by what the cache has of another", () =>
      Effect.gen(function*() {
        const cached = (model: string) => call({ path: "/api/v1/predict", body: { model, features: [[31]] } })
        assert.deepStrictEqual(shown(yield* cached("replaced")).slice(0, 2), [200, ["spare", 62, "fallback"]])
        yield* call({ path: "/api/v1/breakers/model:replaced@v1/reset", method: "POST" })
        const own = yield* cached("replaced")
        assert.deepStrictEqual(shown(own), [200, ["replaced", 62, undefined], undefined])
        assert.strictEqual(own.headers["x-cache"], "miss")
      }))
  })
})

describe.skipIf(withoutRedis)("two servers on one Redis", () => {
  it.live("open together, probe once, and close together", () =>
    Effect.gen(function*() {
      const { port } = yield* redisServer
      const options = moodyServer(
        { shared: { fields: ["breaker: { failures: 3, open_duration: 1500 millis }"] } },
        { REDIS_URL: `redis://127.0.0.1:${port}` }
      )
      const [a, b] = yield* Effect.all([readyServer(options), readyServer(options)], { concurrency: 2 })
      const askAt = ({ port }: { readonly port: number }, value: number) =>
        http({ port, path: "/api/v1/predict", body: { model: "shared", features: [[value]], use_cache: false } })
      const standsAt = ({ port }: { readonly port: number }, state: string) =>
        http({ port, path: "/api/v1/breakers" }).pipe(
          Effect.map((answer) => (answer.json() as { readonly breakers: ReadonlyArray<Breaker> }).breakers),
          Effect.map((all) => all.find(({ key }) => key === "model:shared@v1")!),
          Effect.repeat({ until: (each) => each.state === state, schedule: often })
        )
      yield* gate("shared")
      yield* Effect.repeat(askAt(a, mood.throws), { times: 2 })
      yield* standsAt(b, "open")
      assert.strictEqual((yield* askAt(b, 2)).status, 503)
      // From here on every call would wait, and one does.
      const calls = yield* Effect.forEach([a, b], (each) =>
        askAt(each, mood.waits).pipe(
          Effect.repeat({ until: ({ status }) => status === 200, schedule: Schedule.spaced("20 millis") }),
          Effect.forkChild
        ))
      const halfOpen = yield* Effect.raceAll([
        Effect.as(standsAt(a, "half_open"), "a"),
        Effect.as(standsAt(b, "half_open"), "b")
      ])
      yield* Effect.sleep("700 millis")
      yield* standsAt(halfOpen === "a" ? b : a, "open")
      assert.lengthOf(Array.from((a.output() + b.output()).matchAll(/moody waits/g)), 1)
      yield* openGate("shared")
      yield* standsAt(a, "closed")
      yield* standsAt(b, "closed")
      yield* Effect.forEach(calls, Fiber.join)
    }).pipe(Effect.scoped), 60_000)
})
