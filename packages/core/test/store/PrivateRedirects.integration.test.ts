/**
 * A public server may not have us ask inside the network that we stand in. 127.0.0.2 plays the public one here, on names
 * that are resolved to what the test says; what listens at 127.0.0.1 and ::1 must never hear of us.
 */
import { assert, describe, it } from "@effect/vitest"
import { isPrivateAddress } from "@sluice/core/store/Addresses"
import { type Network, publicLookup, SystemNetwork } from "@sluice/core/store/Exchange"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import * as Http from "node:http"
import * as Net from "node:net"
import { failure, filesBelow, pulled, pullTest } from "./Pulls.ts"

const publicServer = "127.0.0.2"

const names: Readonly<Record<string, ReadonlyArray<string>>> = {
  "inside.example": ["127.0.0.1"],
  "metadata.example": ["169.254.169.254"],
  "mixed.example": ["127.0.0.2", "127.0.0.1"],
  "mapped.example": ["::ffff:127.0.0.1"],
  "localhost": ["127.0.0.1", "::1"],
  "hub.localhost": ["::1"]
}

const network: Network = {
  lookup: (hostname, _, callback) =>
    callback(null, (names[hostname] ?? []).map((address) => ({ address, family: Net.isIP(address) }))),
  isPrivate: (address) => address !== publicServer && isPrivateAddress(address)
}

const closing = <Server extends Net.Server>(open: () => Promise<Server>) =>
  Effect.acquireRelease(Effect.promise(open), (server) => Effect.sync(() => server.close()))

const portOf = (server: Net.Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** A server inside, which counts who connects. */
const secretServer = Effect.gen(function*() {
  let connections = 0
  const server = yield* closing(async () => {
    const server = Net.createServer((socket) => {
      connections++
      socket.destroy()
    }).listen(0, "::")
    await once(server, "listening")
    return server
  })
  return { port: portOf(server), connections: () => connections }
})

/** A public server that redirects to wherever the path says. */
const redirecting = Effect.map(
  closing(async () => {
    const server = Http.createServer((request, response) => {
      const [, code = "", location = ""] = /^\/(\d+)\/([^/]+)\/model\.onnx$/.exec(request.url ?? "") ?? []
      response.writeHead(Number(code), { location: decodeURIComponent(location) }).end()
    }).listen(0, publicServer)
    await once(server, "listening")
    return server
  }),
  (server) => `http://${publicServer}:${portOf(server)}`
)

describe("a redirect of a public source", () => {
  it.live.each([
    "http://127.0.0.1:PORT/latest/meta-data",
    "http://localhost:PORT/",
    "http://2130706433:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://[::1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "https://127.0.0.1:PORT/",
    "https://localhost:PORT/",
    "https://hub.localhost:PORT/",
    "https://[::ffff:7f00:1]:PORT/",
    "https://017700000001:PORT/",
    "https://inside.example:PORT/",
    "https://mixed.example:PORT/",
    "https://mapped.example:PORT/",
    "https://metadata.example:PORT/",
    "https://169.254.169.254/latest/meta-data",
    "http://169.254.169.254/latest/meta-data",
    "https://10.0.0.1/",
    "https://192.168.0.1/",
    "https://[fd00:ec2::254]/",
    "https://[fe80::1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://0/"
  ])(
    "to %s is not followed, and nobody is asked there",
    (location) =>
      Effect.gen(function*() {
        const secret = yield* secretServer
        const url = yield* redirecting
        const { directory, settings } = yield* pullTest("https://hub.example")
        const target = encodeURIComponent(location.replace("PORT", String(secret.port)))
        for (const code of [302, 307]) {
          const { kind } = yield* failure(pulled(settings, `${url}/${code}/${target}/model.onnx`))
          assert.strictEqual(kind, "redirect")
        }
        assert.strictEqual(secret.connections(), 0)
        assert.deepStrictEqual(filesBelow(directory), [])
      }).pipe(Effect.provideService(SystemNetwork, network))
  )

  it.live("that hangs up at once is not followed, either", () =>
    Effect.gen(function*() {
      const secret = yield* secretServer
      const server = yield* closing(async () => {
        const server = Net.createServer((socket) => {
          socket.on("error", () => {})
          socket.end(`HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${secret.port}/\r\nContent-Length: 0\r\n\r\n`)
          socket.destroySoon()
        }).listen(0, publicServer)
        await once(server, "listening")
        return server
      })
      const { settings } = yield* pullTest("https://hub.example")
      const { kind } = yield* failure(pulled(settings, `http://${publicServer}:${portOf(server)}/model.onnx`))
      assert.strictEqual(kind, "redirect")
      assert.strictEqual(secret.connections(), 0)
    }).pipe(Effect.provideService(SystemNetwork, network)))

  it.live("is followed to where the public is", () =>
    Effect.gen(function*() {
      const model = Buffer.from("a model")
      const files = yield* closing(async () => {
        const server = Http.createServer((_, response) => response.writeHead(200).end(model)).listen(0, publicServer)
        await once(server, "listening")
        return server
      })
      const url = yield* redirecting
      const { settings } = yield* pullTest("https://hub.example")
      const target = encodeURIComponent(`http://${publicServer}:${portOf(files)}/files/model.onnx`)
      const got = yield* pulled(settings, `${url}/302/${target}/model.onnx`)
      assert.strictEqual(got.files[0]?.size, model.length)
    }).pipe(Effect.provideService(SystemNetwork, network)))
})

it.live("the system's own names of this machine are not public", () =>
  Effect.gen(function*() {
    const look = publicLookup(yield* SystemNetwork)
    const error = yield* Effect.promise(() =>
      new Promise((resolve) => look("localhost", {}, (cause) => resolve(cause)))
    )
    assert.match(String(error), /PrivateAddress: localhost is (127\.0\.0\.1|::1)/)
  }))
