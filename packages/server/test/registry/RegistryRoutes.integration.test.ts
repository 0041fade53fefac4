/**
 * The registry over HTTP and by its file, on a real server: what is taken, what is refused, and what is left after a kill.
 */
import { assert, describe, it } from "@effect/vitest"
import { entityTagOf } from "@sluice/core/registry/EntityTag"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { temporaryDirectory } from "../harness/ServerProcess.ts"
import { irisRegistry, registryServer } from "./RegistryServer.ts"

const first = irisRegistry("v1")
const second = irisRegistry("v1", "v2")

interface Problem {
  readonly code: string
  readonly detail: string
  readonly mistakes?: ReadonlyArray<string>
}

describe("GET /registry", () => {
  it.live("gives the very text that is served, with its tag", () =>
    Effect.gen(function*() {
      const { ask } = yield* registryServer({ registry: first })
      const answer = yield* ask({ path: "/api/v1/registry", headers: { "accept-encoding": "gzip" } })
      assert.deepStrictEqual([answer.status, answer.text], [200, first])
      assert.strictEqual(answer.headers["content-type"], "application/yaml")
      assert.strictEqual(answer.headers["etag"], entityTagOf(first))
    }))
})

describe("PUT /registry", () => {
  it.live("serves and keeps what is sent, once, and says what changed", () =>
    Effect.gen(function*() {
      const { ask, put, read, until } = yield* registryServer({ registry: first })
      const answer = yield* put(second, { "if-match": entityTagOf(first), "x-request-id": "put-1" })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.headers["etag"], entityTagOf(second))
      const change = { added: ["iris@v2"], changed: [], removed: [], rerouted: [] }
      assert.deepStrictEqual(answer.json(), { dry_run: false, etag: entityTagOf(second), ...change })
      assert.strictEqual(read(), second)
      assert.strictEqual((yield* ask({ path: "/api/v1/registry" })).text, second)

      const again = yield* put(second)
      assert.deepStrictEqual(
        [again.status, again.json()],
        [200, { dry_run: false, etag: entityTagOf(second), added: [], changed: [], removed: [], rerouted: [] }]
      )
      const { by, pending_error } = yield* until(() => true)
      assert.deepStrictEqual([by, pending_error], ["http:anonymous", null])
      const { entries } = (yield* ask({ path: "/api/v1/audit" })).json() as {
        readonly entries: ReadonlyArray<object>
      }
      const timeless: ReadonlyArray<unknown> = entries.map((entry) => ({ ...entry, at: "" }))
      assert.deepStrictEqual(timeless, [{
        at: "",
        by: "http:anonymous",
        action: "registry.apply",
        request_id: "put-1",
        detail: "added iris@v2",
        change,
        outcome: "applied"
      }])
    }))

  it.live("refuses what was meant for another registry: 412 with the present tag", () =>
    Effect.gen(function*() {
      const { put, read } = yield* registryServer({ registry: first })
      yield* put(second)
      const answer = yield* put(irisRegistry("v1", "v3"), { "if-match": entityTagOf(first) })
      const problem = answer.json() as Problem
      assert.deepStrictEqual([answer.status, problem.code], [412, "revision_conflict"])
      assert.include(problem.detail, entityTagOf(second))
      assert.strictEqual(read(), second)
    }))

  it.live("names every mistake with its line and field, and changes nothing", () =>
    Effect.gen(function*() {
      const { directory, put, read, status } = yield* registryServer({ registry: first })
      const answer = yield* put("default_model: rose\nmodels:\n  iris: { default_version: v1, versions: {} }\n")
      const { code, mistakes } = answer.json() as Problem
      assert.deepStrictEqual([answer.status, code], [422, "registry_invalid"])
      assert.deepStrictEqual(mistakes?.map((mistake) => mistake.split(": ").slice(0, 2)), [
        ["line 1", "default_model"],
        ["line 3", "models.iris.versions"]
      ])
      assert.notInclude(answer.text, directory)
      assert.deepStrictEqual([read(), (yield* status).pending_error], [first, null])
    }))

  it.live("says what would change and changes nothing, when it is a dry run", () =>
    Effect.gen(function*() {
      const { put, read, status } = yield* registryServer({ registry: first })
      const answer = yield* put(second, {}, "?dry_run=true")
      const { added, dry_run } = answer.json() as { readonly added: unknown; readonly dry_run: unknown }
      assert.deepStrictEqual([answer.status, dry_run, added], [200, true, ["iris@v2"]])
      assert.notProperty(answer.headers, "etag")
      assert.deepStrictEqual([read(), (yield* status).etag], [first, entityTagOf(first)])
      const wrong = yield* put(second, {}, "?dry_run=maybe")
      assert.deepStrictEqual([wrong.status, (wrong.json() as Problem).code], [400, "malformed_request"])
      assert.strictEqual(read(), first)
    }))

  it.live("takes YAML and text, no other type and no large body", () =>
    Effect.gen(function*() {
      const { ask, put } = yield* registryServer({ registry: first })
      for (const type of ["text/plain", "application/x-yaml", "Text/YAML; charset=utf-8"]) {
        assert.strictEqual((yield* put(first, { "content-type": type })).status, 200, type)
      }
      const json = yield* put("{}", { "content-type": "application/json" })
      assert.deepStrictEqual([json.status, json.headers["accept"]?.includes("application/yaml")], [415, true])
      const large = `# ${"x".repeat(1024 * 1024)}\n${first}`
      assert.strictEqual((yield* put(large)).status, 413)
      const packed = yield* ask({
        method: "PUT",
        path: "/api/v1/registry",
        body: gzipSync(large),
        headers: { "content-type": "application/yaml", "content-encoding": "gzip" }
      })
      assert.strictEqual(packed.status, 413)
    }))

  it.live("is not harmed by aliases that multiply, deep nesting or the names of prototypes", () =>
    Effect.gen(function*() {
      const { ask, put, read } = yield* registryServer({ registry: first })
      const bomb = Array.from(
        { length: 9 },
        (_, level) =>
          `x${level}: &x${level} [${
            Array.from({ length: 10 }, () => level === 0 ? "lol" : `*x${level - 1}`).join(", ")
          }]`
      ).join("\n")
      const many = `models: &a {}\nlist:\n${"  - *a\n".repeat(60_000)}`
      const deep = `models: ${"[".repeat(100_000)}`
      const prototypes = ["__proto__", "constructor", "toString"].map((name) =>
        first.replace("  iris:", `  ${name}:`).replace("v1: {", "v1: { polluted: true,")
      )
      for (const body of [bomb, many, deep, ...prototypes]) {
        const answer = yield* put(body)
        assert.strictEqual(answer.status, 422, body.slice(0, 60))
      }
      assert.strictEqual(read(), first)
      assert.strictEqual((yield* ask({ path: "/health" })).status, 200)
    }))

  it.live("asks for the key where there is one, and the log names the setting, not the key", () =>
    Effect.gen(function*() {
      const log = join(yield* temporaryDirectory, "audit.jsonl")
      const { ask, put } = yield* registryServer({ registry: first, env: { AUTH_TOKEN: "sesame", AUDIT_LOG: log } })
      const headers = { "x-token": "sesame" }
      for (const path of ["/api/v1/registry", "/api/v1/registry/status", "/api/v1/audit"]) {
        assert.strictEqual((yield* ask({ path })).status, 401, path)
        assert.strictEqual((yield* ask({ path, headers })).status, 200, path)
      }
      assert.strictEqual((yield* put(second)).status, 401)
      assert.strictEqual((yield* put(second, headers)).status, 200)
      const { text } = yield* ask({ path: "/api/v1/audit", headers })
      assert.include(text, "\"by\":\"http:auth_token\"")
      assert.notInclude(text, "sesame")
      assert.strictEqual(readFileSync(log, "utf8").trim().split("\n").length, 1)
    }))

  it.live("leaves a whole file, the old text or the new, whenever the process is killed, and starts with it", () =>
    Effect.gen(function*() {
      // Long enough that it is not written at one stroke.
      const texts = [first, second].map((text) => `${text}# ${"long ".repeat(100_000)}\n`)
      const directory = yield* temporaryDirectory
      writeFileSync(join(directory, "registry.yaml"), texts[0]!)
      for (const killAfter of [0, 3, 8, 15]) {
        yield* Effect.scoped(Effect.gen(function*() {
          const { ended, kill, put, read, status } = yield* registryServer({ registry: texts[0]!, directory })
          // It starts with what the one before it left.
          assert.strictEqual((yield* status).etag, entityTagOf(read()))
          let answered = 0
          const counted = (text: string) => Effect.tap(put(text), () => Effect.sync(() => answered++))
          const putting = yield* Effect.forkChild(
            Effect.forever(Effect.andThen(counted(texts[1]!), counted(texts[0]!)))
          )
          yield* Effect.repeat(
            Effect.andThen(Effect.sync(() => assert.include(texts, read())), Effect.sleep("1 millis")),
            { until: () => answered > killAfter }
          )
          kill("SIGKILL")
          yield* ended
          yield* Fiber.interrupt(putting)
          assert.include(texts, read())
        }))
      }
    }))
})

describe("the registry file", () => {
  it.live("is taken up when it is edited, by every process on the port", () =>
    Effect.gen(function*() {
      const { file, until, write } = yield* registryServer({ registry: first, env: { WORKERS: "2" } })
      write(second)
      const { by } = yield* until(({ etag }) => etag === entityTagOf(second))
      assert.strictEqual(by, "file")
      // Connections are shared out in turn: twice as many as there are processes ask each.
      for (let i = 0; i < 4; i++) yield* until(({ etag }) => etag === entityTagOf(second))
      assert.strictEqual(readFileSync(file, "utf8"), second)
    }))

  it.live("with a mistake changes nothing and is told, in the log and in the status", () =>
    Effect.gen(function*() {
      const { predict, printed, until, write } = yield* registryServer({ registry: first })
      write(first.replace("default_version: v1", "default_version: v9"))
      const { etag, pending_error } = yield* until((status) => status.pending_error !== null)
      assert.strictEqual(etag, entityTagOf(first))
      assert.match(pending_error?.[0] ?? "", /^line 3: models\.iris\.default_version: this model has no version "v9"/)
      yield* printed(/registry\.yaml:3: models\.iris\.default_version/)
      assert.strictEqual((yield* predict()).status, 200)
      write(first)
      yield* until((status) => status.pending_error === null)
    }))
})
