/**
 * Requests as bytes that no client of good will sends: each gets one answer at most, nothing of it comes back as a header, and
 * the server goes on.
 */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { call } from "../harness/Http.ts"
import { rawPost, rawSocket } from "../harness/RawSocket.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { TestServer } from "../harness/ServerProcess.ts"

const key = "open-sesame-93b1"
const body = JSON.stringify({ model: "iris", features: [[5.1, 3.5, 1.4, 0.2]], use_cache: false })

/** The direct way and Effect's, by the same call. */
const targets = { "a direct route": "/api/v1/predict", "another route": "/api/v1/predict?x=1" }

const sending = (text: string) => Effect.flatMap(TestServer, ({ port }) => rawSocket({ port, text, half: true }))

const answersIn = (received: string): ReadonlyArray<string> => received.match(/HTTP\/1\.1 \d+/g) ?? []

const smuggled = `GET /models HTTP/1.1\r\nHost: a\r\nX-Token: ${key}\r\n\r\n`

/** Heads by what is wrong with them; the lines stand below the request line. */
const framings: Readonly<Record<string, ReadonlyArray<string>>> = {
  "two lengths that differ": ["Host: a", `Content-Length: ${body.length}`, "Content-Length: 5"],
  "two lengths in one": ["Host: a", `Content-Length: ${body.length}, 5`],
  "a length and chunks": ["Host: a", `Content-Length: ${body.length}`, "Transfer-Encoding: chunked"],
  "chunks and a length": ["Host: a", "Transfer-Encoding: chunked", `Content-Length: ${body.length}`],
  "chunks that are not last": ["Host: a", "Transfer-Encoding: chunked, identity"],
  "an unknown transfer coding": ["Host: a", "Transfer-Encoding: xchunked"],
  "chunks behind a tab": ["Host: a", "Transfer-Encoding:\u000bchunked"],
  "a length with a sign": ["Host: a", "Content-Length: +5"],
  "a length in hexadecimal": ["Host: a", "Content-Length: 0x10"],
  "a length beyond counting": ["Host: a", "Content-Length: 99999999999999999999999"],
  "a blank before the colon": ["Host: a", "Content-Length : 5"],
  "a folded header": ["Host: a", "X-Request-Id: a\r\n folded: b", `Content-Length: ${body.length}`],
  "a NUL in a value": ["Host: a", "X-Request-Id: a\0b", `Content-Length: ${body.length}`],
  "a NUL in a name": ["Host: a", "X-Request\0-Id: a", `Content-Length: ${body.length}`],
  "a lone CR in a value": ["Host: a", "X-Request-Id: a\rX-Injected: 1", `Content-Length: ${body.length}`],
  "two hosts": ["Host: a", "Host: b", `Content-Length: ${body.length}`],
  "no host": [`Content-Length: ${body.length}`]
}

layer(TestServer.layer({ registry: leanRegistry, env: { AUTH_TOKEN: key } }), { excludeTestServices: true })((it) => {
  const goesOn = Effect.gen(function*() {
    const answer = yield* call({ path: "/api/v1/predict", body, headers: { "x-token": key } })
    assert.strictEqual(answer.status, 200, answer.text)
  })

  for (const [name, path] of Object.entries(targets)) {
    describe(`framing on ${name}`, () => {
      for (const [title, lines] of Object.entries(framings)) {
        it.effect(`gives ${title} no second answer`, () =>
          Effect.gen(function*() {
            const head = [`POST ${path} HTTP/1.1`, ...lines, `X-Token: ${key}`, "", ""].join("\r\n")
            const received = yield* sending(head + body + smuggled)
            const statuses = answersIn(received)
            // A host given twice is Node's to choose from; it frames nothing.
            if (title !== "two hosts") assert.deepStrictEqual(statuses.slice(0, 1), ["HTTP/1.1 400"], received)
            if (title !== "two hosts") assert.lengthOf(statuses, 1, received)
            assert.notMatch(received, /^x-injected/im)
            yield* goesOn
          }))
      }

      it.effect("takes header lines that end in a lone LF for nothing", () =>
        Effect.gen(function*() {
          const received = yield* sending(`POST ${path} HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello${smuggled}`)
          assert.isAtMost(answersIn(received).filter((line) => line.endsWith("200")).length, 0, received)
          yield* goesOn
        }))

      it.effect("refuses headers that are too large, and goes on", () =>
        Effect.gen(function*() {
          for (const text of [`X-Large: ${"a".repeat(20_000)}`, `${"X".repeat(20_000)}: a`, "a: b\r\n".repeat(5_000)]) {
            const received = yield* sending(`POST ${path} HTTP/1.1\r\nHost: a\r\n${text}\r\n\r\n`)
            assert.match(received, /^HTTP\/1\.1 431 /)
          }
          const target = yield* sending(`GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`)
          assert.match(target, /^HTTP\/1\.1 (414|431) /)
          yield* goesOn
        }))

      it.effect("answers a request of very many small headers or none at all", () =>
        Effect.gen(function*() {
          const many = Array.from({ length: 1_500 }, (_, index) => [`h${index}`, "1"])
          const received = yield* sending(
            rawPost(path, body, { ...Object.fromEntries(many), "X-Token": key, Connection: "close" })
          )
          assert.match(received, /^HTTP\/1\.1 (200|431) /)
          yield* goesOn
        }))
    })
  }

  describe("what a request says", () => {
    it.effect("never becomes a header of the answer", () =>
      Effect.gen(function*() {
        const evil = "a%0d%0aX-Injected:%20yes%0d%0a%0d%0a<script>"
        for (
          const path of [`/${evil}`, `/v2/models/${evil}`, `/v1/models/${evil}`, `/docs?${evil}`, `/models?a=${evil}`]
        ) {
          const answer = yield* call({ path, headers: { "x-token": key, "x-request-id": "a b\tc" } })
          assert.notProperty(answer.headers, "x-injected", path)
          assert.match(answer.headers["x-request-id"] ?? "", /^[A-Za-z0-9._:-]{1,128}$/)
          assert.notInclude(answer.text, "<script>a", path)
        }
      }))

    it.effect("does not turn one method into another", () =>
      Effect.gen(function*() {
        const headers = {
          "x-token": key,
          "x-http-method-override": "DELETE",
          "x-http-method": "DELETE",
          "x-method-override": "DELETE"
        }
        const path = "/api/v1/inference/cache/clear"
        assert.strictEqual((yield* call({ path, headers })).status, 405)
        assert.strictEqual((yield* call({ path: `${path}?_method=DELETE`, method: "POST", headers })).status, 405)
      }))

    it.effect("is not echoed to TRACE, and CONNECT opens nothing", () =>
      Effect.gen(function*() {
        const trace = yield* sending(`TRACE /models HTTP/1.1\r\nHost: a\r\nX-Token: ${key}\r\nCookie: c=1\r\n\r\n`)
        assert.match(trace, /^HTTP\/1\.1 (404|405) /)
        assert.notInclude(trace, key)
        assert.notInclude(trace, "c=1")
        for (const target of ["localhost:22", "/models"]) {
          const connect = yield* sending(`CONNECT ${target} HTTP/1.1\r\nHost: a\r\nX-Token: ${key}\r\n\r\n`)
          assert.notMatch(connect, /^HTTP\/1\.1 2/)
        }
        yield* goesOn
      }))

    it.effect("is not believed of a host", () =>
      Effect.gen(function*() {
        for (
          const host of ["evil.example", "evil.example:80", "<script>", "a b", "a/../b", "[::1", "x".repeat(4_000)]
        ) {
          for (const path of ["/docs", "/redoc", "/openapi.json", "/models", "/nope"]) {
            const received = yield* sending(
              `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-Host: evil.example\r\nX-Token: ${key}\r\nConnection: close\r\n\r\n`
            )
            assert.match(received, /^HTTP\/1\.1 (200|400|404) /, `${host} ${path}`)
            assert.notInclude(received, "evil.example")
            assert.notInclude(received, "x".repeat(4_000))
          }
        }
        yield* goesOn
      }))

    it.effect("reaches no file by the documents' routes", () =>
      Effect.gen(function*() {
        const steps = ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..\\", "..%5c", "....//", "%252e%252e%252f", "%00/"]
        for (const start of ["/docs/", "/redoc/", "/redoc.standalone.js/", "/openapi.json/", "/"]) {
          for (const step of steps) {
            for (const file of ["etc/passwd", "package.json", "assets/redoc/redoc.standalone.js"]) {
              const path = `${start}${step.repeat(6)}${file}`
              const received = yield* sending(
                `GET ${path} HTTP/1.1\r\nHost: a\r\nX-Token: ${key}\r\nConnection: close\r\n\r\n`
              )
              assert.match(received, /^HTTP\/1\.1 (400|404) /, path)
            }
          }
        }
      }))
  })

  describe("answers", () => {
    it.effect("do not say what serves them", () =>
      Effect.gen(function*() {
        for (const path of ["/docs", "/models", "/nope", "/livez", "/api/v1/predict"]) {
          const { headers } = yield* call({ path, headers: { "x-token": key } })
          assert.notProperty(headers, "server")
          assert.notProperty(headers, "x-powered-by")
        }
      }))

    it.effect("of the documents keep to this server, in no frame of another", () =>
      Effect.gen(function*() {
        for (const path of ["/docs", "/redoc", "/redoc.standalone.js", "/openapi.json"]) {
          const { headers } = yield* call({ path })
          const policy = headers["content-security-policy"] ?? ""
          for (const rule of ["default-src 'self'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"]) {
            assert.include(policy, rule, path)
          }
          assert.strictEqual(headers["x-content-type-options"], "nosniff", path)
          assert.strictEqual(headers["referrer-policy"], "no-referrer", path)
        }
      }))

    it.effect("let no page of another origin read them", () =>
      Effect.gen(function*() {
        const headers = { origin: "https://evil.example", "access-control-request-method": "POST", "x-token": key }
        for (
          const [method, path] of [["OPTIONS", "/api/v1/predict"], ["POST", "/api/v1/predict"], ["GET", "/models"]]
        ) {
          const answer = yield* call({ path: path!, method: method!, headers, ...(method === "POST" ? { body } : {}) })
          const names = Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"))
          assert.deepStrictEqual(names, [])
        }
      }))
  })
})
