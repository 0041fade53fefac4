/**
 * A server whose models have limits: what each surface tells of them, and how they follow the registry.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import { SluiceClient } from "@sluice/client/SluiceClient"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import { fencedBlocks } from "../docs/Markdown.ts"
import { differences } from "../docs/ShownAnswer.ts"
import { call } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, TestServer } from "../harness/ServerProcess.ts"
import { ask, indirect, oip, openAi, own } from "../harness/Surfaces.ts"

/** Whether to skip what the page does by bash and curl; where skips are forbidden it never is, and the test fails. */
const withoutCurl = process.env["SLUICE_NO_SKIPS"] !== "1" && spawnSync("bash", ["-c", "curl --version"]).status !== 0

/** A limit on each model; hours are longer than any test. */
const limited = (limits: Readonly<Record<string, string>>): string =>
  Object.entries(limits).reduce(
    (text, [model, limit]) => text.replace(`  ${model}:\n`, `  ${model}:\n    limits: ${limit}\n`),
    leanRegistry
  )

const rows = (count: number) => ({
  inputs: [{ name: "features", shape: [count, 4], datatype: "FP32", data: Array.from({ length: count * 4 }, () => 1) }]
})

const registry = limited({
  sentiment: "{ requests: 3/h }",
  iris: "{ items: 5/h }",
  embeddings: "{ tokens: 2/h }"
})

layer(TestServer.layer({ registry }), { excludeTestServices: true })("a server whose models have limits", (it) => {
  it.effect("tells by predict what is left, and 429 when nothing is", () =>
    Effect.gen(function*() {
      const answers = yield* Effect.forEach(
        [own, indirect(own), own],
        (surface, i) => ask(surface, { body: { texts: [`text ${i}`] } })
      )
      assert.deepStrictEqual(answers.map(({ status }) => status), [200, 200, 200])
      assert.deepStrictEqual(answers.map(({ headers }) => headers["ratelimit"]), [
        `"model";r=2;t=3600`,
        `"model";r=1;t=3600`,
        `"model";r=0;t=3600`
      ])
      for (const surface of [own, indirect(own)]) {
        const refused = yield* ask(surface, { body: surface.good })
        assert.strictEqual(refused.status, 429)
        assert.strictEqual(refused.headers["ratelimit-policy"], `"model";q=3;w=3600`)
        assert.strictEqual(refused.headers["ratelimit"], `"model";r=0;t=3600`)
        assert.match(refused.headers["retry-after"] ?? "", /^3\d{3}$/)
        assert.include(own.refusal(refused)?.detail, "the model's limit of requests, 3/h, is used up")
        assert.strictEqual(own.refusal(refused)?.code, "rate_limited")
      }
    }))

  for (const [name, layerOf] of Object.entries({ WebSocket: SluiceClient.layerWs, HTTP: SluiceClient.layerHttp })) {
    it.effect(`tells it by RPC over ${name} as a typed error`, () =>
      Effect.gen(function*() {
        const { port } = yield* TestServer
        const error = yield* Effect.flatMap(SluiceClient, ({ predict }) => Effect.flip(predict({ texts: ["fine"] })))
          .pipe(
            Effect.provide(layerOf({ url: `http://localhost:${port}` }))
          )
        assert.strictEqual(error._tag, "RateLimited")
        assert.strictEqual(error._tag === "RateLimited" && error.rateLimitPolicy, `"model";q=3;w=3600`)
      }))
  }

  it.effect("counts the rows of the Open Inference Protocol's tensors", () =>
    Effect.gen(function*() {
      for (const surface of [oip, indirect(oip)]) {
        assert.strictEqual((yield* ask(surface, { body: rows(2) })).status, 200)
        const tooMany = yield* ask(surface, { body: rows(6) })
        assert.strictEqual(tooMany.status, 422)
        assert.include(oip.refusal(tooMany)?.detail, "send at most 5 items a request")
        assert.isUndefined(tooMany.headers["retry-after"])
      }
      const refused = yield* ask(oip, { body: rows(2) })
      assert.strictEqual(refused.status, 429)
      assert.include(oip.refusal(refused)?.detail, "the model's limit of items, 5/h, is used up")
      assert.strictEqual((yield* ask(oip, { body: rows(1) })).status, 200, "one is left")
    }))

  it.effect("counts the tokens of texts that were computed, and lets in while any are left", () =>
    Effect.gen(function*() {
      const first = yield* ask(openAi, { body: openAi.good })
      assert.strictEqual(first.status, 200, first.text)
      const refused = yield* ask(indirect(openAi), { body: openAi.good })
      assert.strictEqual(refused.status, 429)
      assert.nestedPropertyVal(refused.json(), "error.type", "rate_limit_error")
      assert.nestedPropertyVal(refused.json(), "error.code", "rate_limited")
    }))

  it.effect("counts what was decided", () =>
    Effect.gen(function*() {
      const { text } = yield* call({ path: "/metrics" })
      assert.include(text, `sluice_rate_limit_decisions_total{limit="model",metric="requests",decision="allowed"} 3`)
      assert.include(text, `sluice_rate_limit_decisions_total{limit="model",metric="requests",decision="denied"} 4`)
      assert.match(text, /sluice_requests_refused_total\{code="rate_limited"\} \d/)
    }))

  it.effect("goes by a new registry at once, with what is used", () =>
    Effect.gen(function*() {
      const body = limited({ sentiment: "{ requests: 5/h }", iris: "{ items: 5/h }" })
      const headers = { "content-type": "application/yaml" }
      const put = yield* call({ method: "PUT", path: "/api/v1/registry", body, headers })
      assert.strictEqual(put.status, 200, put.text)
      const more = yield* ask(own, { body: own.good })
      assert.strictEqual(more.status, 200)
      assert.strictEqual(more.headers["ratelimit-policy"], `"model";q=5;w=3600`)
      const free = yield* ask(openAi, { body: openAi.good })
      assert.strictEqual(free.status, 200)
      assert.isUndefined(free.headers["ratelimit"])
    }))
})

describe("BYPASS_RATE_LIMITS", () => {
  it.live("sets no limit, and says so", () =>
    Effect.gen(function*() {
      const env = { BYPASS_RATE_LIMITS: "true", RATE_LIMIT_REQUESTS: "1/h", RATE_LIMIT_PER_KEY_CONCURRENT: "1" }
      const server = yield* readyServer({ registry, env })
      for (let i = 0; i < 4; i++) {
        const { headers, status } = yield* ask(own, { body: own.good }).pipe(
          Effect.provideService(TestServer, server)
        )
        assert.strictEqual(status, 200)
        assert.isUndefined(headers["ratelimit"])
      }
      assert.include(server.output(), "BYPASS_RATE_LIMITS is set")
    }).pipe(Effect.scoped), 30_000)
})

describe.skipIf(withoutCurl)("docs/how-to/limit-callers.md", () => {
  it.live("shows what a server with its settings answers", () =>
    Effect.gen(function*() {
      const blocks = fencedBlocks("docs/how-to/limit-callers.md")
      const [config] = blocks.filter(({ language }) => language === "yaml")
      const { port } = yield* readyServer({ registry: leanRegistry, config: config?.text ?? "" })
      const shown = blocks.flatMap((command, i) =>
        command.language === "bash" ? [{ command, answer: blocks[i + 1] }] : []
      )
      assert.isAbove(shown.length, 1)
      for (const { answer, command } of shown) {
        const text = command.text.replaceAll("localhost:8000", `localhost:${port}`)
        const output = execFileSync("bash", ["-c", text], { encoding: "utf8" })
        if (answer?.language === "json") {
          assert.deepStrictEqual(differences(JSON.parse(answer.text), JSON.parse(output)), [])
        } else assert.strictEqual(output.trim(), answer?.text.trim())
      }
    }).pipe(Effect.scoped), 30_000)
})
