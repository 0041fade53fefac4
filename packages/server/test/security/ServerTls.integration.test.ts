/**
 * The server over TLS: every way to call it, a certificate that is renewed under its connections, and pairs that cannot serve.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { writeFileSync } from "node:fs"
import { Agent, request as tlsRequest } from "node:https"
import { connect, type TLSSocket } from "node:tls"
import { type Authority, certificateAuthority, type CertificateFiles, replaceFile } from "../harness/Certificates.ts"
import { http } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, type RunningServer, spawnServer } from "../harness/ServerProcess.ts"

const serve = (files: CertificateFiles, env: Readonly<Record<string, string>> = {}) =>
  readyServer({ registry: leanRegistry, env: { TLS_CERT: files.cert, TLS_KEY: files.key, DRAIN_DELAY: "0", ...env } })

const iris = { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]], use_cache: false }

interface HandshakeOptions {
  readonly minVersion?: "TLSv1" | "TLSv1.3"
  readonly maxVersion?: "TLSv1.1" | "TLSv1.2"
}

/** The common name of the certificate that a new connection meets, and the protocol that was agreed on. */
const handshake = (port: number, { caText }: Authority, options: HandshakeOptions = {}) =>
  Effect.callback<{ readonly name: string; readonly protocol: string | null }, Error>((resume) => {
    const socket: TLSSocket = connect(
      { port, host: "127.0.0.1", servername: "localhost", ca: caText, ...options },
      () => {
        resume(Effect.succeed({ name: String(socket.getPeerCertificate().subject.CN), protocol: socket.getProtocol() }))
        socket.end()
      }
    )
    socket.on("error", (error) => resume(Effect.fail(error)))
    return Effect.sync(() => socket.destroy())
  })

const presents = (server: RunningServer, authority: Authority, name: string) =>
  handshake(server.port, authority).pipe(
    Effect.repeat({ until: (met) => met.name === name, schedule: Schedule.spaced("50 millis") }),
    Effect.asVoid
  )

/** The status that a WebSocket's upgrade is answered with. */
const upgraded = (port: number, ca: string) =>
  Effect.callback<number, Error>((resume) => {
    const headers = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": Buffer.alloc(16).toString("base64")
    }
    const request = tlsRequest({ port, ca, path: "/rpc/ws", headers, agent: false })
    request.on("upgrade", ({ statusCode }, socket) => {
      socket.destroy()
      resume(Effect.succeed(statusCode ?? 0))
    })
    request.on("error", (error) => resume(Effect.fail(error)))
    request.end()
    return Effect.sync(() => request.destroy())
  })

describe("a server with a certificate", () => {
  it.live(
    "answers direct and other routes, probes and WebSockets by https, and nothing in plain",
    () =>
      Effect.gen(function*() {
        const authority = yield* certificateAuthority
        const server = yield* serve(authority.issue("first"))
        const { port } = server
        const ca = authority.caText
        assert.include(server.output(), `Sluice listens on https://localhost:${port}\n`)
        const direct = yield* http({ port, ca, path: "/api/v1/predict", body: iris })
        assert.strictEqual(direct.status, 200, direct.text)
        const notDirect = yield* http({ port, ca, path: "/api/v1/predict?x=1", body: iris })
        assert.strictEqual(notDirect.status, 200, notDirect.text)
        assert.strictEqual((yield* http({ port, ca, path: "/readyz" })).status, 200)
        assert.strictEqual(yield* upgraded(port, ca), 101)
        assert.strictEqual((yield* Effect.flip(http({ port, path: "/readyz" }))).message, "socket hang up")
        assert.strictEqual((yield* http({ port, ca, path: "/readyz" })).status, 200)
      }),
    30_000
  )

  it.live("speaks TLS 1.2 and 1.3, and nothing older", () =>
    Effect.gen(function*() {
      const authority = yield* certificateAuthority
      const { port } = yield* serve(authority.issue("first"))
      assert.strictEqual((yield* handshake(port, authority, { maxVersion: "TLSv1.2" })).protocol, "TLSv1.2")
      assert.strictEqual((yield* handshake(port, authority, { minVersion: "TLSv1.3" })).protocol, "TLSv1.3")
      const older = yield* Effect.flip(handshake(port, authority, { minVersion: "TLSv1", maxVersion: "TLSv1.1" }))
      assert.instanceOf(older, Error)
    }), 30_000)

  it.live(
    "takes up a renewed certificate, keeps connections, and keeps the old one where the new is no pair",
    () =>
      Effect.gen(function*() {
        const authority = yield* certificateAuthority
        const files = authority.issue("first")
        const server = yield* serve(files)
        const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: authority.caText })
        yield* Effect.addFinalizer(() => Effect.sync(() => agent.destroy()))
        const onOneConnection = Effect.callback<{ readonly status: number; readonly reused: boolean }, Error>(
          (resume) => {
            const request = tlsRequest({ agent, port: server.port, path: "/livez" }, (response) => {
              response.resume().on("end", () =>
                resume(Effect.succeed({ status: response.statusCode ?? 0, reused: request.reusedSocket })))
            })
            request.on("error", (error) =>
              resume(Effect.fail(error)))
            request.end()
          }
        )
        assert.deepStrictEqual(yield* onOneConnection, { status: 200, reused: false })
        yield* presents(server, authority, "first")

        const second = authority.issue("second")
        replaceFile(second.key, files.key)
        replaceFile(second.cert, files.cert)
        yield* presents(server, authority, "second")
        assert.include(server.output(), "the server's certificate was renewed: CN=second")
        assert.deepStrictEqual(yield* onOneConnection, { status: 200, reused: true })

        writeFileSync(files.cert, "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
        yield* server.printed("the server keeps its certificate: ")
        assert.strictEqual((yield* handshake(server.port, authority)).name, "second")
        assert.deepStrictEqual(yield* onOneConnection, { status: 200, reused: true })

        const third = authority.issue("third")
        replaceFile(third.cert, files.cert)
        yield* server.printed("does not belong to")
        assert.strictEqual((yield* handshake(server.port, authority)).name, "second")
        replaceFile(third.key, files.key)
        yield* presents(server, authority, "third")
      }),
    60_000
  )

  it.live("serves by several processes on the one port", () =>
    Effect.gen(function*() {
      const authority = yield* certificateAuthority
      const { port } = yield* serve(authority.issue("first"), { WORKERS: "2" })
      const answers = yield* Effect.forEach(
        Array.from({ length: 6 }),
        () => http({ port, ca: authority.caText, path: "/api/v1/predict", body: iris })
      )
      assert.deepStrictEqual(answers.map(({ status }) => status), Array.from({ length: 6 }, () => 200))
    }), 60_000)
})

describe("a server whose certificate cannot serve", () => {
  const failure = Effect.fnUntraced(function*(env: Readonly<Record<string, string>>) {
    const { code, stderr } = yield* (yield* spawnServer({ registry: leanRegistry, env })).ended
    assert.strictEqual(code, 1, stderr)
    return stderr
  })

  it.live("does not start, and says which file is at fault", () =>
    Effect.gen(function*() {
      const authority = yield* certificateAuthority
      const [first, second] = [authority.issue("first"), authority.issue("second")]
      const missing = yield* failure({ TLS_CERT: "/nowhere/cert.pem", TLS_KEY: first.key })
      assert.include(missing, "sluice: /nowhere/cert.pem cannot be read (ENOENT)\n")
      const mixed = yield* failure({ TLS_CERT: first.cert, TLS_KEY: second.key })
      assert.include(mixed, `sluice: the key of ${second.key} does not belong to ${first.cert}\n`)
      const swapped = yield* failure({ TLS_CERT: first.key, TLS_KEY: first.cert })
      assert.include(swapped, "holds no certificate in PEM")
      assert.notInclude(swapped, "BEGIN")
    }), 60_000)
})
