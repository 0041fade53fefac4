/**
 * The documents that the server shows: whole, of its own, and true.
 */
import { assert, describe, layer, type Vitest } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { Script } from "node:vm"
import { call } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { inRepository, TestServer } from "../harness/ServerProcess.ts"

type It = Vitest.MethodsNonLive<TestServer>

/** The scripts of a page: those in it, and those that it loads from this server. */
const scriptsOf = Effect.fnUntraced(function*(path: string) {
  const { text } = yield* call({ path })
  return yield* Effect.forEach(
    Array.from(text.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)),
    ([, attributes = "", script = ""]) => {
      const source = /src="([^"]*)"/.exec(attributes)?.[1]
      const type = /type="([^"]*)"/.exec(attributes)?.[1]
      if (type === "application/json") return Effect.succeed("")
      return source === undefined ? Effect.succeed(script) : Effect.map(call({ path: source }), ({ text }) => text)
    }
  )
})

const documents = (it: It) => {
  it.effect("have whole scripts, which a browser can read", () =>
    Effect.gen(function*() {
      for (const path of ["/docs", "/redoc"]) {
        const scripts = yield* scriptsOf(path)
        assert.isAbove(scripts.join("").length, 500_000, path)
        for (const script of scripts) assert.doesNotThrow(() => new Script(script), path)
      }
    }))

  it.effect("are the vendored files that the documentation names", () =>
    Effect.gen(function*() {
      const { bytes } = yield* call({ path: "/redoc.standalone.js" })
      const dependencies = readFileSync(inRepository("docs/explanation/dependencies.md"), "utf8")
      assert.include(dependencies, createHash("sha256").update(bytes).digest("hex"))
    }))

  it.effect("ask no other host, and may not", () =>
    Effect.gen(function*() {
      for (const path of ["/docs", "/redoc"]) {
        const { headers, text } = yield* call({ path })
        assert.match(headers["content-type"] ?? "", /^text\/html/)
        const policy = headers["content-security-policy"] ?? ""
        assert.match(policy, /^default-src 'self';/)
        assert.notMatch(policy, /http|\*/)
        assert.notMatch(
          text.replaceAll(/<script[\s\S]*?<\/script>/g, (tag) => tag.slice(0, tag.indexOf(">"))),
          /(src|href)="?(https?:)?\/\//
        )
      }
    }))

  it.effect("describe every route, and which of them take a key", () =>
    Effect.gen(function*() {
      const description = (yield* call({ path: "/openapi.json" })).json() as {
        readonly openapi: string
        readonly paths: Readonly<
          Record<string, Readonly<Record<string, { readonly security: ReadonlyArray<object> }>>>
        >
      }
      assert.match(description.openapi, /^3\.1\./)
      const routes = Object.entries(description.paths).flatMap(([path, operations]) =>
        Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`)
      )
      assert.sameMembers(routes, [
        "POST /api/v1/predict",
        "POST /api/v1/inference/predict",
        "POST /api/v1/inference/warmup",
        "GET /api/v1/inference/cache/stats",
        "DELETE /api/v1/inference/cache/clear",
        "GET /api/v1/inference/health",
        "GET /models",
        "GET /api/v1/models",
        "GET /api/v1/breakers",
        "POST /api/v1/breakers/{key}/reset",
        "GET /api/v1/models/{model}/rollout",
        "POST /api/v1/models/{model}/rollout",
        "GET /api/v1/registry",
        "PUT /api/v1/registry",
        "GET /api/v1/registry/status",
        "GET /api/v1/audit",
        "GET /health",
        "GET /readiness",
        "GET /readyz",
        "GET /livez",
        "GET /v2",
        "GET /v2/health/live",
        "GET /v2/health/ready",
        "GET /v2/models/{model}",
        "GET /v2/models/{model}/ready",
        "GET /v2/models/{model}/versions/{version}",
        "GET /v2/models/{model}/versions/{version}/ready",
        "POST /v2/models/{model}/infer",
        "POST /v2/repository/index",
        "POST /v2/repository/models/{model}/load",
        "POST /v2/repository/models/{model}/unload",
        "POST /v2/models/{model}/versions/{version}/infer",
        "POST /v1/embeddings",
        "GET /v1/models",
        "GET /v1/models/{id}"
      ])
      assert.deepStrictEqual(description.paths["/health"]?.["get"]?.security, [])
      const asked = description.paths["/api/v1/predict"]?.["post"]?.security ?? []
      assert.deepStrictEqual(asked.flatMap((scheme) => Object.keys(scheme)), ["bearer", "token", "apiKey"])
    }))
}

layer(TestServer.layer({ registry: leanRegistry }), { excludeTestServices: true })((it) => {
  describe("the documents", () => documents(it))
})
