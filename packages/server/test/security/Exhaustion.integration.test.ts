/**
 * Clients that want to use the server up: slow ones, many of them, and little that becomes much.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { readFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { gzipSync } from "node:zlib"
import { call, http } from "../harness/Http.ts"
import { leanRegistry } from "../harness/Registries.ts"
import { readyServer, TestServer } from "../harness/ServerProcess.ts"
import { eventually, irisRegistry, registryServer } from "../registry/RegistryServer.ts"

const mebibyte = 1024 * 1024
const iris = { model: "iris", features: [[5.1, 3.5, 1.4, 0.2]], use_cache: false }

/** Opens a connection, and gives what came on it when the server has closed it. */
const heldOpen = (port: number, write: (socket: Socket) => void) =>
  Effect.callback<string>((resume) => {
    let received = ""
    const socket = connect(port, "127.0.0.1", () => write(socket))
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      received += chunk
    })
    // A reset is an end, too.
    socket.on("error", () => undefined)
    socket.on("close", () => resume(Effect.succeed(received)))
    return Effect.sync(() => socket.destroy())
  })

/** A header line now and then, for ever. */
const dribble = (socket: Socket): void => {
  socket.write("POST /api/v1/predict HTTP/1.1\r\nHost: a\r\n")
  const timer = setInterval(() => socket.write("X-More: 1\r\n"), 50)
  socket.on("close", () => clearInterval(timer))
}

describe("a server with a limit for headers", () => {
  it.live(
    "closes connections that dribble them or send nothing, and answers others meanwhile",
    () =>
      Effect.gen(function*() {
        const { port } = yield* readyServer({
          registry: leanRegistry,
          env: { HEADERS_TIMEOUT: "400 ms", DRAIN_DELAY: "0" }
        })
        const slow = yield* Effect.forEach(
          Array.from({ length: 50 }, (_, index) => index),
          (index) =>
            Effect.forkChild(heldOpen(port, index % 2 === 0 ? dribble : () => undefined), { startImmediately: true })
        )
        assert.strictEqual((yield* http({ port, path: "/api/v1/predict", body: iris })).status, 200)
        const received = yield* Effect.forEach(slow, (fiber) => Fiber.join(fiber))
        for (const text of received) assert.match(text, /^(HTTP\/1\.1 408 |$)/)
        assert.isTrue(received.some((text) => text !== ""))
        assert.strictEqual((yield* http({ port, path: "/api/v1/predict", body: iris })).status, 200)
      }),
    30_000
  )
})

describe("a server with a limit of connections", () => {
  it.live("closes one that is too many, and takes another when one has gone", () =>
    Effect.gen(function*() {
      const { port } = yield* readyServer({ registry: leanRegistry, env: { MAX_CONNECTIONS: "2", DRAIN_DELAY: "0" } })
      const sockets = yield* Effect.forEach([1, 2], () =>
        Effect.callback<Socket>((resume) => {
          const socket = connect(port, "127.0.0.1", () => {
            socket.write("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            socket.once("data", () => resume(Effect.succeed(socket)))
          })
          socket.on("error", () => undefined)
        }))
      assert.instanceOf(yield* Effect.flip(http({ port, path: "/livez" })), Error)
      sockets[0]!.destroy()
      yield* eventually(Effect.option(http({ port, path: "/livez" })), (answer) => answer._tag === "Some")
      sockets[1]!.destroy()
    }), 30_000)
})

/** The most memory that the server ever had, in bytes. */
const peakMemory = (pid: number): number =>
  Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024

const laughs = (levels: number): string =>
  ["a: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"].concat(
    Array.from({ length: levels }, (_, index) =>
      `b${index}: &a${index + 1} [${Array.from({ length: 9 }, () => `*a${index}`).join(", ")}]`)
  ).join("\n")

/** Registries that are small and become large, or are large and become nothing. */
const yamlBombs: Readonly<Record<string, string>> = {
  "aliases that multiply": laughs(9),
  "aliases that merge": `a: &a { x: 1 }\nmodels: { ${
    Array.from({ length: 20_000 }, (_, i) => `m${i}: { <<: *a }`).join(", ")
  } }`,
  "an alias of itself": "models: &a { iris: *a }",
  "lists nested deep": `models: ${"[".repeat(100_000)}`,
  "mappings nested deep": `models: ${"{a: ".repeat(50_000)}`,
  "lines nested deep": Array.from({ length: 1_000 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n"),
  "a huge scalar": `models: ${"x".repeat(900_000)}`,
  "a huge key": `? ${"x".repeat(900_000)}\n: 1`,
  "very many keys": `models:\n${Array.from({ length: 60_000 }, (_, i) => `  m${i}: 1`).join("\n")}`,
  "many anchors": Array.from({ length: 40_000 }, (_, i) => `a${i}: &x${i} 1`).join("\n"),
  "a tag that runs": "models: !!js/function 'function(){ process.exit(1) }'",
  "a prototype": "models: { __proto__: { polluted: true } }",
  "a constructor": "models: { constructor: { prototype: { polluted: true } } }",
  "a default of all objects":
    "default_model: __proto__\nmodels: { toString: { default_version: valueOf, versions: {} } }"
}

describe("a registry that is put", () => {
  it.live("is refused whatever it would become, and what is served stays", () =>
    Effect.gen(function*() {
      const server = yield* registryServer({ registry: irisRegistry("v1") })
      const before = peakMemory(server.pid)
      const zipped = gzipSync(Buffer.alloc(256 * mebibyte, 0x20))
      const bomb = yield* server.ask({
        method: "PUT",
        path: "/api/v1/registry",
        body: zipped,
        headers: { "content-type": "application/yaml", "content-encoding": "gzip" }
      })
      assert.strictEqual(bomb.status, 413)
      assert.isBelow(peakMemory(server.pid) - before, 128 * mebibyte)
      for (const [name, text] of Object.entries(yamlBombs)) {
        const answer = yield* server.put(text)
        assert.include([400, 413, 422], answer.status, `${name}: ${answer.text.slice(0, 200)}`)
        assert.isBelow(answer.text.length, 100_000, name)
        assert.strictEqual((yield* server.predict()).status, 200, name)
      }
      // A parsed text is some hundred times its size; what it would have multiplied to has no bound.
      assert.isBelow(peakMemory(server.pid), 1024 * mebibyte)
      assert.notInclude(server.output(), "fault of the server")
    }), 120_000)
})

layer(TestServer.layer({ registry: leanRegistry }), { excludeTestServices: true })("little that becomes much", (it) => {
  it.effect("stays little in a body that is compressed more than once", () =>
    Effect.gen(function*() {
      const { pid } = yield* TestServer
      const once = gzipSync(Buffer.alloc(256 * mebibyte))
      const before = peakMemory(pid)
      for (const path of ["/api/v1/predict", "/v2/models/iris/infer", "/v1/embeddings", "/rpc"]) {
        for (
          const coding of ["gzip, gzip", "gzip,gzip,gzip,gzip,gzip,gzip,gzip,gzip", "gzip, deflate", "br", "x-gzip"]
        ) {
          const answer = yield* call({ path, body: gzipSync(once), headers: { "content-encoding": coding } })
          assert.include([400, 413, 415], answer.status, `${path} ${coding}`)
        }
      }
      assert.isBelow(peakMemory(pid) - before, 192 * mebibyte)
      assert.strictEqual((yield* call({ path: "/api/v1/predict", body: iris })).status, 200)
    }))

  it.effect("is refused where a number is written with very many digits, and is a number where it has few", () =>
    Effect.gen(function*() {
      const digits = "9".repeat(1_000_000)
      for (
        const [path, body] of [
          ["/api/v1/predict", `{"model":"iris","features":[[${digits},1,1,1]]}`],
          [
            "/v2/models/iris/infer",
            `{"inputs":[{"name":"features","shape":[1,4],"datatype":"FP32","data":[${digits},1,1,1]}]}`
          ],
          ["/v2/models/iris/infer", `{"parameters":{"timeout":${digits}},"inputs":[]}`]
        ] as const
      ) {
        assert.strictEqual((yield* call({ path, body })).status, 400, path)
      }
    }))
})

/** One frame of a client (RFC 6455, section 5.2), with a mask of zeros unless it is to have none. */
const frame = (opcode: number, length: number, masked = true): Buffer => {
  const head = Buffer.alloc(10)
  head[0] = 0x80 | opcode
  head[1] = (masked ? 0x80 : 0) | 127
  head.writeBigUInt64BE(BigInt(length), 2)
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0)])
}

const upgrade = (headers: Readonly<Record<string, string>>): string =>
  ["GET /rpc/ws HTTP/1.1", "Host: a", ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), "", ""]
    .join("\r\n")

const good = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="
}

layer(TestServer.layer({ registry: leanRegistry }), { excludeTestServices: true })("a WebSocket", (it) => {
  it.effect("is not opened by a handshake that is none", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      const { "Sec-WebSocket-Key": _, ...keyless } = good
      for (
        const headers of [
          keyless,
          { ...good, "Sec-WebSocket-Version": "7" },
          { ...good, "Sec-WebSocket-Key": "short" },
          { ...good, Upgrade: "h2c" },
          { ...good, Upgrade: "TLS/1.0" }
        ]
      ) {
        const received = yield* heldOpen(port, (socket) => socket.end(upgrade(headers)))
        assert.notMatch(received, /^HTTP\/1\.1 101/, JSON.stringify(headers))
        assert.strictEqual((yield* call({ path: "/livez" })).status, 200)
      }
    }))

  it.effect("is closed when a frame claims to be too large, has no mask, or is of no kind", () =>
    Effect.gen(function*() {
      const { pid, port } = yield* TestServer
      const before = peakMemory(pid)
      const frames: ReadonlyArray<readonly [Buffer, number]> = [
        [frame(2, 1_000_000_000), 1009],
        [frame(2, 2 ** 52), 1009],
        [frame(2, 4, false), 1002],
        [frame(7, 4), 1002],
        [frame(9, 200), 1002]
      ]
      for (const [bytes, code] of frames) {
        const received = yield* heldOpen(port, (socket) => {
          socket.write(upgrade(good))
          socket.once("data", () => socket.write(bytes))
        })
        const last = Buffer.from(received, "latin1").subarray(-4)
        assert.strictEqual(
          last.includes(code & 0xff) && last.includes(code >> 8),
          true,
          `${code}: ${last.toString("hex")}`
        )
      }
      assert.isBelow(peakMemory(pid) - before, 64 * mebibyte)
      assert.strictEqual((yield* call({ path: "/livez" })).status, 200)
      assert.notInclude((yield* TestServer).output(), "fault of the server")
    }))
})
